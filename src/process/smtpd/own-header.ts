/** What we write above and into the header of a message. */
import { mailDate } from "../../mail/date.ts";

/** How a message came, for its Received field (RFC 5321 4.4). */
export interface Trace {
  readonly helo: string; // "" if none was said
  readonly clientName: string;
  readonly clientAddress: string;
  readonly tls: string; // "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384", or ""
  readonly host: string; // us
  readonly mailName: string;
  readonly proto: string; // ESMTPS and the like: RFC 3848, RFC 6531 4.3
}

export class OwnHeader {
  #second = -1;
  #date = "";

  /** Up to the id: the same for all messages of a session. */
  static receivedStart(trace: Trace): string {
    const { clientName, clientAddress, tls } = trace;
    const literal = clientAddress.includes(":") ? `IPv6:${clientAddress}` : clientAddress;
    return [
      `Received: from ${trace.helo || clientName} (${clientName} [${literal}])\r\n`,
      tls === "" ? "" : `\t(using ${tls})\r\n`,
      `\tby ${trace.host} (${trace.mailName}) with ${trace.proto} id `,
    ].join("");
  }

  /** `recipient`: only where it is the only one, or each would learn of the others (RFC 5321 7.2). */
  received(start: string, id: string, recipient: string | undefined, arrivalMs: number): Buffer {
    const clause = recipient === undefined ? ";\r\n\t" : `\r\n\tfor <${recipient}>; `;
    return Buffer.from(`${start}${id}${clause}${this.#dateOf(arrivalMs)}\r\n`);
  }

  dateField(arrivalMs: number): string {
    return `Date: ${this.#dateOf(arrivalMs)}\r\n`;
  }

  #dateOf(ms: number): string {
    const second = Math.floor(ms / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#date = mailDate(ms);
    }
    return this.#date;
  }
}
