// A device in plain JavaScript: gRPC-Web over fetch, and the few fields of the contract that it wants.

const SERVICE = "reno.v1.NotificationService";
const START_AT_START = 1;
const TRAILERS = 0x80;

export class Device {
  constructor(address, identity) {
    this.address = address;
    this.identity = identity;
  }

  // Frames until the caller leaves the loop.
  async *subscribe() {
    for await (const message of this.call("Subscribe", request())) yield read(message);
  }

  // All that is kept, one page.
  async pull() {
    for await (const message of this.call("Pull", request())) return read(message);
  }

  async *call(method, message) {
    const leaving = new AbortController();
    try {
      const answer = await fetch(`${this.address}/${SERVICE}/${method}`, {
        method: "POST",
        headers: {
          "content-type": "application/grpc-web+proto",
          "x-grpc-web": "1",
          ...this.identity,
        },
        body: framed(message),
        signal: leaving.signal,
      });
      // An error before the first message comes in the headers.
      check(answer.headers.get("grpc-status"), answer.headers.get("grpc-message"));
      for await (const { flags, body } of frames(answer.body)) {
        if (flags & TRAILERS) return checkTrailers(new TextDecoder().decode(body));
        yield body;
      }
      throw new Error("the answer ended without a status");
    } finally {
      leaving.abort();
    }
  }
}

function framed(message) {
  const frame = new Uint8Array(5 + message.length);
  new DataView(frame.buffer).setUint32(1, message.length);
  frame.set(message, 5);
  return frame;
}

// Messages and trailers, however the network cut them.
async function* frames(stream) {
  const reader = stream.getReader();
  let rest = new Uint8Array();
  for (;;) {
    while (rest.length >= 5) {
      const end = 5 + new DataView(rest.buffer, rest.byteOffset).getUint32(1);
      if (rest.length < end) break;
      yield { flags: rest[0], body: rest.slice(5, end) };
      rest = rest.slice(end);
    }
    const { done, value } = await reader.read();
    if (done) return;
    const joined = new Uint8Array(rest.length + value.length);
    joined.set(rest);
    joined.set(value, rest.length);
    rest = joined;
  }
}

function checkTrailers(text) {
  const trailers = Object.fromEntries(
    text.split("\r\n").filter(Boolean).map((line) => line.split(/:\s*(.*)/s, 2)),
  );
  check(trailers["grpc-status"], trailers["grpc-message"]);
}

function check(status, message) {
  if (status && status !== "0") {
    throw Object.assign(new Error(decodeURIComponent(message ?? "")), { status: Number(status) });
  }
}

// SubscribeRequest and PullRequest have start_at in the same field.
function request() {
  return new Uint8Array([(3 << 3) | 0, START_AT_START]);
}

// SubscribeResponse and PullResponse have notifications and cursor in the same fields.
function read(message) {
  const found = { notifications: [], cursor: "" };
  for (const { field, value } of fields(message)) {
    if (field === 1) found.notifications.push(notification(value));
    if (field === 2) found.cursor = text(value);
    if (field === 3) found.flag = value === 1n;
  }
  return found;
}

function notification(message) {
  const found = {};
  for (const { field, value } of fields(message)) {
    if (field === 1) found.eventId = text(value);
    if (field === 3) found.action = text(value);
    if (field === 4) found.payload = text(value);
    if (field === 8) found.position = String(value);
    if (field === 9) found.via = Number(value);
  }
  return found;
}

function* fields(message) {
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const key = Number(varint());
    if ((key & 7) === 0) yield { field: key >> 3, value: varint() };
    else if ((key & 7) === 2) {
      const length = Number(varint());
      yield { field: key >> 3, value: message.slice(at, (at += length)) };
    } else throw new Error(`wire type ${key & 7}`);
  }
}

function text(bytes) {
  return new TextDecoder().decode(bytes);
}
