/**
 * A DNS server for tests, on UDP and TCP of the loopback, that answers as it is told. Names that it was not told of do
 * not exist.
 *
 *   await using dns = await nameServer({
 *     "example.org": { mx: [[10, "mx1.example.org"], [20, "mx2.example.org"]] },
 *     "mx1.example.org": { a: ["127.0.0.1"] },
 *     "null.example": { mx: [[0, "."]] },
 *     "broken.example": "servfail",
 *   });
 *   ... dns_servers = 127.0.0.1:${dns.port} ...
 */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, type Server } from "node:net";

export interface Zone {
  readonly mx?: readonly (readonly [number, string])[]; // preference, name; "." alone: null MX
  readonly a?: readonly string[];
  readonly aaaa?: readonly string[];
  readonly cname?: string;
  readonly ttl?: number; // seconds, default 300
}
/** How a name fails: an answer code, no answer at all, or an answer that is cut short (so that TCP is used). */
export type Failure = "nxdomain" | "servfail" | "refused" | "timeout";
export type Zones = Readonly<Record<string, Zone | Failure>>;

export interface NameServer extends AsyncDisposable {
  readonly port: number;
  readonly queries: readonly string[]; // "MX example.org", in order of arrival
  set(zones: Zones): void; // replaces all
  close(): Promise<void>;
}

const TYPES: Readonly<Record<number, string>> = { 1: "A", 5: "CNAME", 15: "MX", 28: "AAAA" };
const CODES = { ok: 0, servfail: 2, nxdomain: 3, refused: 5 };
const UDP_LIMIT = 512;

export async function nameServer(zones: Zones): Promise<NameServer> {
  const queries: string[] = [];
  let current = canonical(zones);
  const answer = (query: Buffer): Buffer | undefined => {
    const question = parseQuestion(query);
    queries.push(`${TYPES[question.type] ?? question.type} ${question.name}`);
    return respond(query, question, current);
  };
  const { udp, tcp, port } = await bindBoth();
  udp.on("message", (query, from) => {
    const response = answer(query);
    if (response === undefined) return;
    udp.send(response.length > UDP_LIMIT ? truncated(query, response) : response, from.port, from.address);
  });
  tcp.on("connection", (socket) => {
    let buffer: Buffer = Buffer.alloc(0);
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      buffer = Buffer.concat([buffer, chunk]);
      while (buffer.length >= 2 && buffer.length >= 2 + buffer.readUInt16BE(0)) {
        const end = 2 + buffer.readUInt16BE(0);
        const response = answer(buffer.subarray(2, end));
        buffer = buffer.subarray(end);
        if (response !== undefined) socket.write(Buffer.concat([uint16(response.length), response]));
      }
    });
  });
  const close = async (): Promise<void> => {
    await Promise.all([
      new Promise<void>((resolve) => udp.close(() => resolve())),
      new Promise<void>((resolve) => tcp.close(() => resolve())),
    ]);
  };
  return {
    port,
    queries,
    set(next) {
      current = canonical(next);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The same port for both: the one that UDP got may be taken on TCP. */
async function bindBoth(): Promise<{ udp: UdpSocket; tcp: Server; port: number }> {
  for (;;) {
    const udp = createSocket("udp4");
    await new Promise<void>((resolve) => udp.bind(0, "127.0.0.1", resolve));
    const { port } = udp.address();
    const tcp = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      tcp.once("error", () => resolve(false));
      tcp.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (isFree) return { udp, tcp, port };
    udp.close();
  }
}

interface Question {
  readonly name: string;
  readonly type: number;
  readonly end: number; // offset behind it
}

function parseQuestion(query: Buffer): Question {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function respond(query: Buffer, { name, type, end }: Question, zones: Map<string, Zone | Failure>): Buffer | undefined {
  const records: Buffer[] = [];
  let owner = name;
  let found = zones.get(owner);
  // As a resolver does, it follows the aliases; a loop comes to nothing, without an error.
  for (let hops = 0; typeof found === "object" && found.cname !== undefined && hops < 8; hops++) {
    records.push(record(owner, 5, encodeName(found.cname), found.ttl));
    owner = found.cname.toLowerCase();
    found = zones.get(owner);
  }
  if (found === "timeout") return undefined;
  if (typeof found === "string") return message(query, end, CODES[found], []);
  if (found === undefined) return message(query, end, CODES.nxdomain, records);
  const { ttl } = found;
  if (type === 15)
    for (const [preference, host] of found.mx ?? [])
      records.push(record(owner, 15, Buffer.concat([uint16(preference), encodeName(host)]), ttl));
  if (type === 1)
    for (const address of found.a ?? [])
      records.push(record(owner, 1, Buffer.from(address.split(".").map(Number)), ttl));
  if (type === 28) for (const address of found.aaaa ?? []) records.push(record(owner, 28, encodeIpv6(address), ttl));
  return message(query, end, CODES.ok, records);
}

function message(query: Buffer, end: number, code: number, records: readonly Buffer[]): Buffer {
  const head = Buffer.from([query[0] ?? 0, query[1] ?? 0, 0x81, 0x80 | code, 0, 1, 0, 0, 0, 0, 0, 0]);
  head.writeUInt16BE(records.length, 6);
  return Buffer.concat([head, query.subarray(12, end), ...records]);
}

/** Only the head, with the bit that says so: ask again over TCP. */
function truncated(query: Buffer, response: Buffer): Buffer {
  const { end } = parseQuestion(query);
  const head = Buffer.from(response.subarray(0, end));
  head[2] = 0x83;
  head.writeUInt16BE(0, 6);
  return head;
}

function record(owner: string, type: number, data: Buffer, ttl = 300): Buffer {
  const middle = Buffer.alloc(10);
  middle.writeUInt16BE(type, 0);
  middle.writeUInt16BE(1, 2);
  middle.writeUInt32BE(ttl, 4);
  middle.writeUInt16BE(data.length, 8);
  return Buffer.concat([encodeName(owner), middle, data]);
}

/** Bytes stand for themselves, so that a test can say what no host name may hold. */
function encodeName(name: string): Buffer {
  const labels = name.split(".").filter((label) => label !== "");
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, "latin1")])),
    Buffer.from([0]),
  ]);
}

function encodeIpv6(address: string): Buffer {
  const [left = "", right] = address.split("::");
  const groups = (text: string): number[] =>
    text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
  const before = groups(left);
  const after = right === undefined ? [] : groups(right);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return Buffer.concat([...before, ...zeros, ...after].map(uint16));
}

function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255]);
}

function canonical(zones: Zones): Map<string, Zone | Failure> {
  return new Map(Object.entries(zones).map(([name, zone]) => [name.toLowerCase(), zone]));
}
