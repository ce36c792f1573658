/**
 * A DNS server for tests, on UDP and TCP of the loopback, that answers as it is told. Names that it was not told of do
 * not exist.
 *
 *   await using dns = await nameServer({
 *     "example.org": { mx: [[10, "mx1.example.org"], [20, "mx2.example.org"]] },
 *     "mx1.example.org": { a: ["127.0.0.1"] },
 *     "null.example": { mx: [[0, "."]] },
 *     "broken.example": "servfail",
 *     "_25._tcp.mx1.example.org": { tlsa: [[3, 1, 1, digest]], secure: true },
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
  readonly txt?: readonly (string | readonly string[])[]; // a list: a record of several strings
  readonly ptr?: readonly string[];
  readonly tlsa?: readonly (readonly [number, number, number, Buffer])[]; // usage, selector, matching type, data
  readonly ttl?: number; // seconds, default 300
  readonly absentTtl?: number; // seconds, in the SOA of an answer without records; default: no SOA
  readonly secure?: boolean; // says that the answer is validated, to those who ask
  readonly forged?: boolean; // before the answer come two that are not: another id, another name
}
/** How a name fails: an answer code, no answer at all, or bytes that are none. */
export type Failure = "nxdomain" | "servfail" | "refused" | "timeout" | "garbage";
export type Zones = Readonly<Record<string, Zone | Failure>>;

export interface NameServer extends AsyncDisposable {
  readonly port: number;
  readonly queries: readonly string[]; // "MX example.org", in order of arrival
  set(zones: Zones): void; // replaces all
  close(): Promise<void>;
}

export interface NameServerOptions {
  readonly edns?: boolean; // false: a server of before 1999, that finds no sense in such questions
}

const TYPES: Readonly<Record<number, string>> = {
  1: "A",
  5: "CNAME",
  12: "PTR",
  15: "MX",
  16: "TXT",
  28: "AAAA",
  52: "TLSA",
};
const CODES = { ok: 0, formerr: 1, servfail: 2, nxdomain: 3, refused: 5 };
const UDP_LIMIT = 512;
const HEADER_BYTES = 12;
const WANTS_VALIDATED = 0x8000; // the bit DO, in the flags of the OPT record

export async function nameServer(zones: Zones, { edns = true }: NameServerOptions = {}): Promise<NameServer> {
  const queries: string[] = [];
  let current = canonical(zones);
  const answer = (query: Buffer): Buffer | undefined => {
    const question = parseQuestion(query);
    queries.push(`${TYPES[question.type] ?? question.type} ${question.name}`);
    if (!edns && question.wantsEdns) return message(query, question.end, CODES.formerr, []);
    return respond(query, question, current);
  };
  const { udp, tcp, port } = await bindBoth();
  udp.on("message", (query, from) => {
    const response = answer(query);
    if (response === undefined) return;
    for (const forged of forgeries(query, current)) udp.send(forged, from.port, from.address);
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
  readonly wantsEdns: boolean;
  readonly wantsValidated: boolean;
}

function parseQuestion(query: Buffer): Question {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  const end = at + 5;
  const wantsEdns = query.readUInt16BE(10) > 0;
  return {
    name: labels.join(".").toLowerCase(),
    type: query.readUInt16BE(at + 1),
    end,
    wantsEdns,
    wantsValidated: wantsEdns && (query.readUInt16BE(end + 7) & WANTS_VALIDATED) !== 0,
  };
}

function respond(query: Buffer, question: Question, zones: Map<string, Zone | Failure>): Buffer | undefined {
  const { name, type, end } = question;
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
  if (found === "garbage")
    return Buffer.concat([query.subarray(0, 2), Buffer.from([0x81, 0x80, 0, 9, 0, 9, 0, 0, 0, 0])]);
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
  if (type === 12) for (const target of found.ptr ?? []) records.push(record(owner, 12, encodeName(target), ttl));
  if (type === 16)
    for (const text of found.txt ?? []) records.push(record(owner, 16, encodeStrings([text].flat()), ttl));
  if (type === 52)
    for (const [usage, selector, matching, data] of found.tlsa ?? [])
      records.push(record(owner, 52, Buffer.concat([Buffer.from([usage, selector, matching]), data]), ttl));
  const authorities = found.absentTtl === undefined ? [] : [soa(found.absentTtl)];
  const isSecure = found.secure === true && question.wantsValidated;
  return message(query, end, CODES.ok, records, records.length === 0 ? authorities : [], isSecure);
}

/** What somebody else might send, who cannot see the question. */
function forgeries(query: Buffer, zones: Map<string, Zone | Failure>): Buffer[] {
  const question = parseQuestion(query);
  const zone = zones.get(question.name);
  if (typeof zone !== "object" || !zone.forged) return [];
  const otherId = message(query, question.end, CODES.nxdomain, []);
  otherId.writeUInt16BE(otherId.readUInt16BE(0) ^ 1, 0);
  const otherName = message(query, question.end, CODES.nxdomain, []);
  otherName[HEADER_BYTES + 1] = "~".charCodeAt(0);
  return [otherId, otherName];
}

function soa(minimum: number): Buffer {
  const numbers = Buffer.alloc(20);
  numbers.writeUInt32BE(minimum, 16);
  return record("", 6, Buffer.concat([encodeName("ns.test"), encodeName("root.test"), numbers]), 3600);
}

function message(
  query: Buffer,
  end: number,
  code: number,
  records: readonly Buffer[],
  authorities: readonly Buffer[] = [],
  isSecure = false,
): Buffer {
  const flags = 0x80 | (isSecure ? 0x20 : 0) | code;
  const head = Buffer.from([query[0] ?? 0, query[1] ?? 0, 0x81, flags, 0, 1, 0, 0, 0, 0, 0, 0]);
  head.writeUInt16BE(records.length, 6);
  head.writeUInt16BE(authorities.length, 8);
  return Buffer.concat([head, query.subarray(HEADER_BYTES, end), ...records, ...authorities]);
}

/** Only the head, with the bit that says so: ask again over TCP. */
function truncated(query: Buffer, response: Buffer): Buffer {
  const { end } = parseQuestion(query);
  const head = Buffer.from(response.subarray(0, end));
  head[2] = 0x83;
  head.fill(0, 6, HEADER_BYTES);
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

function encodeStrings(strings: readonly string[]): Buffer {
  return Buffer.concat(strings.map((text) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text, "latin1")])));
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
