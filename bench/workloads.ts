/** What is sent. The numbers of messages are such that one run takes a few seconds with a fast system. */

export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly sessions: number; // parallel
  readonly keepsSessions: boolean; // many messages a session, else one
  readonly sizeBytes: number; // of the content, without its header
  readonly recipients: number; // of each message
  readonly messages: number; // in one run
}

export const WORKLOADS: readonly Workload[] = [
  {
    name: "W1",
    title: "1 KB, 20 sessions, a message a session",
    sessions: 20,
    keepsSessions: false,
    sizeBytes: 1024,
    recipients: 1,
    messages: 3000,
  },
  {
    name: "W2",
    title: "4 KB, 10 kept-open sessions",
    sessions: 10,
    keepsSessions: true,
    sizeBytes: 4096,
    recipients: 1,
    messages: 4000,
  },
  {
    name: "W3",
    title: "64 KB, 10 sessions, a message a session",
    sessions: 10,
    keepsSessions: false,
    sizeBytes: 65_536,
    recipients: 1,
    messages: 1000,
  },
  {
    name: "W4",
    title: "1 KB, 50 recipients, 5 sessions, a message a session",
    sessions: 5,
    keepsSessions: false,
    sizeBytes: 1024,
    recipients: 50,
    messages: 250,
  },
];

/** Compiles the code, fills the caches, opens the connections. Both systems get the same. */
export const WARM_UP: Workload = {
  name: "warm-up",
  title: "1 KB, 20 kept-open sessions",
  sessions: 20,
  keepsSessions: true,
  sizeBytes: 1024,
  recipients: 1,
  messages: 5000,
};
