/** Questions to a DNS server and its answers, as bytes (RFC 1035 4, EDNS by RFC 6891). */
import { isIPv4, isIPv6 } from "node:net";
import { type Answer as Resource, decode, DNSSEC_OK, encode, RECURSION_DESIRED } from "dns-packet";

/** What the records of each type hold, as they came. */
export interface RecordData {
  readonly A: string;
  readonly AAAA: string;
  readonly CNAME: string;
  readonly MX: { readonly preference?: number; readonly exchange: string };
  readonly PTR: string;
  readonly SOA: { readonly minimum?: number }; // seconds
  readonly TLSA: TlsaRecord;
  readonly TXT: readonly Uint8Array[];
}

/** RFC 6698 2.1 */
export interface TlsaRecord {
  readonly usage: number;
  readonly selector: number;
  readonly matchingType: number;
  readonly certificate: Uint8Array; // or what stands for it
}

export type QueryType = Exclude<keyof RecordData, "SOA">;

export interface Question<T extends QueryType = QueryType> {
  readonly name: string; // lower case, A-labels, without the final dot
  readonly type: T;
}

export interface ResourceRecord<T> {
  readonly name: string; // lower case
  readonly ttl: number; // seconds
  readonly data: T;
}

export interface Asking {
  readonly id: number; // 16 bits
  readonly edns: boolean; // old servers know nothing of it
  readonly dnssec: boolean; // wants to be told whether the answer is validated
}

export interface Response {
  readonly code: number; // RFC 1035 4.1.1: 0 no error, 3 no such name
  readonly isTruncated: boolean; // to be asked again by TCP
  readonly isAuthentic: boolean; // the server says that it validated all of it (AD)
  readonly canRecurse: boolean;
  readonly answers: readonly Resource[];
  readonly authorities: readonly Resource[];
}

export const NO_ERROR = 0;
export const FORMAT_ERROR = 1;
export const NO_SUCH_NAME = 3;
export const NOT_IMPLEMENTED = 4;

const UDP_BYTES = 1232; // fits into one packet everywhere (DNS flag day 2020)
const HEADER_BYTES = 12;

export function encodeQuestion(question: Question, { id, edns, dnssec }: Asking): Buffer {
  return encode({
    type: "query",
    id,
    flags: RECURSION_DESIRED,
    questions: [{ ...question }],
    additionals: edns
      ? [
          {
            type: "OPT",
            name: ".",
            udpPayloadSize: UDP_BYTES,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: dnssec ? DNSSEC_OK : 0,
            flag_do: dnssec,
            options: [],
          },
        ]
      : [],
  });
}

export function recordsOf<T extends keyof RecordData>(
  resources: readonly Resource[],
  type: T,
): ResourceRecord<RecordData[T]>[] {
  return resources
    .filter((resource) => resource.type === type)
    .map((resource) => {
      const { name, ttl = 0, data } = resource as unknown as { name: string; ttl?: number; data: RecordData[T] };
      // RFC 2181 8: with the highest bit set it is zero.
      return { name: name.toLowerCase(), data, ttl: ttl > 0x7fff_ffff ? 0 : ttl };
    });
}

/** Undefined: not the answer to this question, whoever sent it. Throws what the bytes deserve when they are none. */
export function decodeResponse(bytes: Buffer, question: Question, id: number): Response | undefined {
  if (bytes.length < HEADER_BYTES || bytes.readUInt16BE(0) !== id) return undefined;
  const isTruncated = (bytes.readUInt8(2) & 0x02) !== 0;
  const packet = decode(isTruncated ? withoutRecords(bytes) : bytes);
  const options = packet.additionals?.find((resource) => resource.type === "OPT");
  // RFC 6891 6.1.3: the upper bits are there.
  const code = (bytes.readUInt8(3) & 0x0f) | ((options?.extendedRcode ?? 0) << 4);
  const [asked] = packet.questions ?? [];
  if (!packet.flag_qr) return undefined;
  // A server that did not understand the question may leave it out.
  const isOurs = asked?.type === question.type && asked.name.toLowerCase() === question.name;
  if (!isOurs && !(asked === undefined && code === FORMAT_ERROR)) return undefined;
  const answers = packet.answers ?? [];
  const authorities = packet.authorities ?? [];
  const bad = [...answers, ...authorities].find((resource) => !isSound(resource));
  if (bad !== undefined) throw new Error(`not a record of type ${bad.type}`);
  return {
    code,
    isTruncated,
    isAuthentic: packet.flag_ad,
    canRecurse: packet.flag_ra,
    answers,
    authorities,
  };
}

/** Some servers cut in the middle of a record, and nothing of it counts anyway (RFC 2181 9). */
function withoutRecords(bytes: Buffer): Buffer {
  return Buffer.from(bytes).fill(0, 6, HEADER_BYTES);
}

/** dns-packet reads addresses beyond the end of the packet as what cannot be one. */
function isSound(resource: Resource): boolean {
  if (resource.type === "A") return isIPv4(resource.data);
  return resource.type !== "AAAA" || isIPv6(resource.data);
}
