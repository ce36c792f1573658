/**
 * nodemailer's SMTP connection as its subclass sees it: the types that it publishes leave out the members with a
 * leading underscore, which are what a subclass changes. A new version of nodemailer is checked against this file;
 * the tests in test/system/smtp-*.test.ts notice if one of them is gone.
 */
import type { OnReadOpts } from "node:net";
import SMTPConnection, { type Options } from "nodemailer/lib/smtp-connection";

/** What node:net is going to connect to. */
export interface ConnectTarget {
  host?: string;
  port?: number;
  path?: string;
  onread?: OnReadOpts;
}

export interface ConnectionInternals {
  _responseActions: ((text: string) => void)[]; // what is to be done with the replies to come
  _resolveAndConnect(options: ConnectTarget, callback: (resolved: object) => void): void;
  _onConnect(): void; // TCP is there
  _onData(chunk: Buffer): void;
  _onError(error: Error & { code?: string; originalCode?: string }, type: string, data: unknown, command: string): void;
  _onClose(): void;
  _onEnd(): void;
  _onTimeout(): void;
  _startPhase(timeoutMs: number, error: Error): void;
  _clearPhase(): void;
  _sendCommand(line: string, logged?: string): void;
  _upgradeConnection(callback: (error: Error | null, secured?: boolean) => void): void;
  _actionGreeting(text: string): void;
  _actionEHLO(text: string): void;
  _actionLHLO(text: string): void;
  _actionHELO(text: string): void;
  _actionSTARTTLS(text: string): void;
}

export const Connection = SMTPConnection as unknown as new (options: Options) => SMTPConnection & ConnectionInternals;
export type ConnectionOptions = Options;
