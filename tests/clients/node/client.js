// Everything that a backend and a device do, by grpc-js: node client.js PROTOS INGESTION DEVICES MEMBER. Prints what came of it as one line of JSON.
"use strict";

const { createRequire } = require("node:module");
const path = require("node:path");
// Its modules are not beside it: scripts/node-client.
const from = createRequire(path.join(process.env.RENO_NODE_MODULES, "package.json"));
const grpc = from("@grpc/grpc-js");
const loader = from("@grpc/proto-loader");

const [protos, ingestion, devices, member] = process.argv.slice(2);
const files = ["ingestion_service", "notification_service"].map((name) => `reno/v1/${name}.proto`);
const { reno } = grpc.loadPackageDefinition(
  loader.loadSync(files, { includeDirs: [protos], enums: String, longs: String, arrays: true, keepCase: true }),
);
const backend = new reno.v1.IngestionService(ingestion, grpc.credentials.createInsecure());
const device = new reno.v1.NotificationService(devices, grpc.credentials.createInsecure());

function metadata(pairs) {
  const made = new grpc.Metadata();
  Object.entries(pairs).forEach(([key, value]) => made.set(key, value));
  return made;
}
const asBackend = metadata({ "reno-source": "node" });
const asDevice = metadata({
  "reno-member": member,
  "reno-device": "tv-1",
  "reno-class": "tv",
});
const within = (seconds) => ({ deadline: new Date(Date.now() + seconds * 1000) });
const event = (id) => ({ id, type: "profile.changed", member_id: member, payload: Buffer.from(id) });

// A unary call's answer, or how it failed.
function call(client, method, request, who, options) {
  return new Promise((resolve) => {
    client[method](request, who, options, (error, answer) =>
      resolve(error ? { code: error.code, details: error.metadata.get("grpc-status-details-bin").length } : answer),
    );
  });
}

// A subscription: what it is told, and its end.
class Subscribed {
  constructor(options) {
    this.seen = [];
    this.waiting = [];
    this.stream = device.Subscribe({}, asDevice, options);
    this.ended = new Promise((resolve) => this.stream.on("error", (error) => resolve(error.code)));
    this.failed = this.ended.then((code) => {
      throw new Error(`the stream ended with ${code}`);
    });
    this.failed.catch(() => {});
    this.stream.on("data", (frame) => {
      this.seen.push(frame);
      this.waiting.forEach((look) => look());
    });
  }

  until(holds) {
    const held = new Promise((resolve) => {
      const look = () => holds(this.seen) && resolve();
      this.waiting.push(look);
      look();
    });
    return Promise.race([held, this.failed]);
  }
}

// PublishStream: every batch's answer, and whether the stream ended well.
function streamed(batches) {
  return new Promise((resolve) => {
    const answers = [];
    const stream = backend.PublishStream(asBackend, within(30));
    stream.on("data", (answer) => answers.push([answer.batch_id, answer.results.map((each) => each.status)]));
    stream.on("error", (error) => resolve({ answers, code: error.code }));
    stream.on("end", () => resolve({ answers, code: 0 }));
    batches.forEach((batch) => stream.write(batch));
    stream.end();
  });
}

const told = (frames) => frames.flatMap((frame) => frame.notifications.map((each) => each.event_id));

async function main() {
  const said = {};
  const subscribed = new Subscribed({});
  await subscribed.until((frames) => frames.some((frame) => frame.caught_up));
  said.batch = (await call(backend, "PublishBatch", { events: [event("e-1"), event("e-2")] }, asBackend, within(30))).results.map(
    (each) => each.status,
  );
  said.one = (await call(backend, "Publish", { event: event("e-3") }, asBackend, within(30))).priority;
  said.invalid = await call(backend, "Publish", { event: { ...event(""), id: "" } }, asBackend, within(30));
  said.stream = await streamed([
    { batch_id: 1, events: [event("e-4")] },
    { batch_id: 2, events: Array.from({ length: 500 }, (_, n) => ({ ...event(`s-${n}`), member_id: `${member}-else`, payload: Buffer.alloc(1000) })) },
  ]);
  said.stream.answers = said.stream.answers.map(([id, statuses]) => [id, statuses.length, [...new Set(statuses)]]);
  await subscribed.until((frames) => told(frames).length >= 4);
  said.pushed = told(subscribed.seen).sort();
  subscribed.stream.cancel();
  said.cancelled = await subscribed.ended;
  const page = await call(device, "Pull", { page_size: 3, start_at: "START_AT_START" }, asDevice, within(30));
  const rest = await call(device, "Pull", { cursor: page.cursor }, asDevice, within(30));
  said.pulled = [told([page]), told([rest])].map((ids) => ids.length);
  said.acknowledged = await call(device, "Acknowledge", { cursor: rest.cursor }, asDevice, within(30));
  said.deadline = await new Subscribed(within(1)).ended;
  console.log(JSON.stringify(said));
  backend.close();
  device.close();
}

main();
