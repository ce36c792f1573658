/** What the final delivery puts in front of a message (RFC 5321 4.4, and what Postfix's local(8) and pipe(8) add). */
import { clean } from "../base/text.ts";

export interface DeliveryHead {
  readonly returnPath: boolean;
  readonly originalTo: boolean; // where it is another address
  readonly deliveredTo: boolean;
}

export interface Delivered {
  readonly sender: string;
  readonly recipient: string;
  readonly original: string | undefined;
}

const MAX_ADDRESS = 1000; // characters shown

/** Header lines, each ended by LF. */
export function deliveryHead({ sender, recipient, original }: Delivered, head: DeliveryHead): string {
  const lines: string[] = [];
  if (head.returnPath) lines.push(`Return-Path: <${clean(sender, MAX_ADDRESS)}>`);
  if (head.originalTo && original !== undefined && original !== recipient) {
    lines.push(`X-Original-To: ${clean(original, MAX_ADDRESS)}`);
  }
  if (head.deliveredTo) lines.push(`Delivered-To: ${clean(recipient, MAX_ADDRESS)}`);
  return lines.map((line) => `${line}\n`).join("");
}
