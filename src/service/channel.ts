/**
 * What master and its children say to each other, over the channel that fork makes. It carries no mail. A child ends
 * when the channel closes: no process outlives its master.
 */
import type { User } from "../base/user.ts";

export interface ListenerName {
  readonly service: "smtp" | "submission" | "submissions"; // whose parameters apply
  readonly address: string; // "127.0.0.1:2525", as configured
}

/** What a smtpd counted of a client or user: whose, what, how many more. */
export type Counted = readonly [key: string, what: string, by: number];

export type FromMaster =
  /** First word: the settings as text, as main.cf and -o gave them; master has checked them. */
  | {
      readonly type: "init";
      readonly values: Readonly<Record<string, string>>;
      readonly configDir: string;
      readonly owner?: User; // keep root in reserve, and be this user else
      readonly listeners: number; // so many `listener` messages follow before the child may start
      readonly onDemand: boolean; // ends when it has no work for max_idle
      readonly alone: boolean; // an agent for suspect messages
      readonly agents: readonly number[]; // for qmgr: pids of agents that live
    }
  | ({ readonly type: "listener" } & ListenerName) // with the bound handle; one more at any time
  | ({ readonly type: "unlisten" } & ListenerName) // take no more there; who is connected stays
  | { readonly type: "reload"; readonly values: Readonly<Record<string, string>> }
  | { readonly type: "stop" } // finish and end
  | { readonly type: "wake" } // there may be work
  | { readonly type: "leave" } // answer to leaving: end now
  | { readonly type: "ping" }
  | { readonly type: "counted"; readonly pid: number; readonly counted: readonly Counted[] } // at another smtpd
  | { readonly type: "smtpd-gone"; readonly pid: number } // with all its connections
  | { readonly type: "agent-gone"; readonly pid: number; readonly ordered: boolean }; // for qmgr

export type FromChild =
  | { readonly type: "ready" }
  | { readonly type: "pong" }
  | { readonly type: "wake"; readonly process: string; readonly alone?: boolean } // start it, or pass the word on
  | { readonly type: "leaving" } // idle for max_idle
  | { readonly type: "working" } // no longer
  | { readonly type: "counted"; readonly counted: readonly Counted[] } // smtpd: for the other smtpds
  | { readonly type: "kill"; readonly pid: number }; // qmgr: an agent that does not report
