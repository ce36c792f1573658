/** The spool, dropped files, admission, retry and lifetime. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { feedback } from "../feedback.ts";
import { maps } from "../maps.ts";
import { row, type Section } from "../parameter.ts";
import { retryProfiles } from "../retry-profile.ts";
import { rules } from "../rules.ts";
import { throttles } from "../throttles.ts";
import { integer, list, path, size, time, times, yesNo } from "../values.ts";

const SHIPPED_CLASSES = resolve(import.meta.dirname, "../../../etc/bounce_classes");
const lifetime = { unit: "d", max: "520w" } as const;
const backoff = { max: "520w" } as const;

export const spool = {
  queue_minfree: row(
    size(0),
    "0",
    `
    The free space in bytes below which no mail is taken (452 4.3.1). 0: one and a half times message_size_limit.
    Mail that is already queued is still delivered.`,
  ),
  queue_minfree_inodes: row(
    integer(0),
    "100",
    `
    The number of free inodes below which no mail is taken, on filesystems that count them.`,
  ),
  in_flow_delay: row(
    time({ max: "10s" }),
    "1s",
    `
    How long the answer to a message is held back while new mail comes in faster than it can be worked on.`,
  ),
  spool_memory_limit: row(
    size(4096, 64 * 1024 * 1024),
    "256k",
    `
    Messages up to this size are held in memory until they are complete and then written at once; larger ones are
    written while they come in.`,
  ),
  spool_reserve: row(
    size(0),
    "4m",
    `
    The size of a file that keeps room in the spool. When the disk is full it is given up, so that results can still
    be recorded, and made again once there is room. 0: none.`,
  ),
  spool_sync_interval: row(
    time({ min: "10ms", max: "60s" }),
    "1s",
    `
    How often the removal of delivered messages is made durable. After a power cut, messages to a single recipient that
    were delivered within this time may be delivered again.`,
  ),
  spool_recycle_limit: row(
    integer(0, 100_000),
    "1000",
    `
    How many files of delivered messages are kept in the spool's free directory, for new messages to be written over
    them, which costs less than to make and remove files. They are removed after a minute without mail, and at a stop.
    0: none is kept.`,
  ),
  drop_scan_interval: row(
    time({ min: "100ms" }),
    "10s",
    `
    How often the drop directory is read. Usually a watch notices new files at once; the scan is what guarantees it.`,
  ),
  drop_stable_time: row(
    time({ max: "1h" }),
    "2s",
    `
    How long a dropped file must have kept its size before it is taken, in case it is still being written. Files that
    are renamed into place with an unchanged age of this much are taken at once.`,
  ),
  drop_size_limit: row(
    size(0),
    "$message_size_limit",
    `
    The largest dropped file in bytes. Larger ones go to quarantine. 0: no limit.`,
  ),
} satisfies Section;

export const retry = {
  queue_run_delay: row(
    time({ min: "100ms" }),
    "300s",
    `
    How often the deferred queue is looked through for mail that is due.`,
  ),
  minimal_backoff_time: row(
    time({ ...backoff, min: "100ms" }),
    "300s",
    `
    The shortest time between two attempts, and how long a destination that does not answer is left alone.`,
  ),
  maximal_backoff_time: row(
    time({ ...backoff, min: "100ms" }),
    "1800s",
    `
    The longest time between two attempts. Between the two limits the wait is as long as the message has waited
    already.`,
  ),
  maximal_queue_lifetime: row(
    time(lifetime),
    "1d",
    `
    How long delivery is tried, from the first time that it was put off, which nothing resets. Then there is one last
    attempt, and the message is returned to its sender. 0: one attempt.`,
  ),
  bounce_queue_lifetime: row(
    time(lifetime),
    "1d",
    `
    The same for mail with the null sender, i.e. for reports of failure. If it is longer than maximal_queue_lifetime,
    that one holds.`,
  ),
  retry_profiles: row(
    retryProfiles,
    "",
    `
    Schedules of retries with names, for retry_profile_maps. \`{ patient: 5m, 10m*2, 1h*3; jitter 10%; lifetime 3d }\`
    waits 5 minutes after the first attempt, then 10 twice, then an hour, of which the last goes on; jitter makes each
    wait longer or shorter by up to so much, lifetime holds in place of maximal_queue_lifetime. \`backoff 300s 1800s\`
    is the rule of minimal_backoff_time and maximal_backoff_time. \`F,2h,15m; G,16h,15m,1.5; F,4d,6h\` are Exim's: in
    the first 2 hours after the first failure every 15 minutes, until 16 hours 1.5 times as long as the last time,
    until 4 days, which are the lifetime, every 6 hours. That one is there already, as spamexperts, and default stands
    for the two backoff times.`,
  ),
  retry_profile_maps: row(
    maps,
    "",
    `
    Tables that say which retry profile holds. Keys, the first that is there decides: the recipient (\`user@example.org\`,
    \`example.org\`, \`.org\`), each first with an error behind it (\`example.org,code=421\`); the sender likewise
    (\`from=user@example.com\`, \`from=example.com\`, \`from=<>\`); the error alone; \`*\`. An error is \`status=4.7.1\`,
    \`status=4.7.*\`, \`code=451\`, \`category=greylist\` (by bounce_classes_file), \`type=timeout\`, in this order.
    Patterns see \`to=user@example.org from=user@example.com type=error category=greylist code=451 status=4.7.1\`. The profile of the last error holds, with its lifetime.
    What a message says of its own retries goes before this.`,
  ),
  bounce_classes_file: row(
    path,
    "bounce_classes beside main.cf, or the one that ships",
    `
    The table of what failures are about, by their replies: rows \`pattern action category advice\`, the first that fits
    decides. The category is in the log and in \`sces-queue show\`, the advice in what the sender is told; the action
    can return or put off mail whatever the code says, and slow down or pause the destination. The file says how it is
    written;
    changes are seen within a second. \`sces classify REPLY\` shows which row fits. Empty: no classes.`,
    {
      compute({ directory }) {
        const own = join(directory, "bounce_classes");
        return existsSync(own) ? own : SHIPPED_CLASSES;
      },
    },
  ),
  expire_early: row(
    yesNo,
    "no",
    `
    Whether mail is returned as soon as its next attempt would come after its lifetime, with its last error. no: there
    is a last attempt when the lifetime is over. Mail that came as JSON is always returned early.`,
  ),
  delay_warning_time: row(
    times({ unit: "h", max: "520w" }),
    "0h",
    `
    After how long in the queue the sender is told that the message is late: one time, or several as in \`4h, 24h,
    48h\`, each once. 0: never.`,
  ),
  confirm_delay_cleared: row(
    yesNo,
    "no",
    `
    Whether a sender who was told that a message is late is told when it has been delivered, too.`,
  ),
} satisfies Section;

export const scheduling = {
  qmgr_message_active_limit: row(
    integer(10, 10_000_000),
    "20000",
    `
    The largest number of messages in the active queue. New mail and retries have separate shares of it.`,
  ),
  initial_destination_concurrency: row(
    integer(1, 10_000),
    "5",
    `
    How many deliveries to one destination are begun at the same time, until it is known how much it takes. Another
    number for one transport: TRANSPORT_initial_destination_concurrency.`,
  ),
  default_destination_concurrency_limit: row(
    integer(1, 10_000),
    "20",
    `
    The largest number of deliveries to one destination at the same time.`,
  ),
  default_destination_concurrency_positive_feedback: row(
    feedback,
    "1",
    `
    How much a delivery whose connection worked raises the concurrency of its destination.`,
  ),
  default_destination_concurrency_negative_feedback: row(
    feedback,
    "1",
    `
    How much a failed connection or handshake lowers the concurrency of its destination.`,
  ),
  default_destination_concurrency_failed_cohort_limit: row(
    integer(1, 1000),
    "1",
    `
    How many times as many connections as the concurrency of a destination must fail in a row before it is left alone
    for minimal_backoff_time and its mail is put off.`,
  ),
  remote_offline_time: row(
    time(),
    "$minimal_backoff_time",
    `
    How long a remote address is left alone that refuses connections, does not answer, or does not greet us properly.
    Other addresses of the same domain go on. A delivery over a connection that was open already ends it earlier, as
    does a flush. 0: never.`,
  ),
  remote_failure_limit: row(
    integer(1, 1000),
    "3",
    `
    How many connections to a remote address must be lost, or fall silent, within remote_failure_time for it to be left
    alone too.`,
  ),
  remote_failure_time: row(
    time(),
    "60s",
    `
    The time for remote_failure_limit.`,
  ),
  throttles: row(
    throttles,
    "",
    `
    How fast, and over how many connections, mail may go to a domain (the next hop), to a remote address, or out of one
    of our addresses (\`from\`): \`example.org messages=30/m connections=2, 192.0.2.1 connects=10/m, * from
    198.51.100.7 connections=5, * idle=30s\`. The most specific row holds: of the domain or address and the source, of
    the first, of the source, of all (*). messages and connects are evenly paced: 30/m is one every 2 s. connections:
    open at the same time; per_connection: messages over one; idle: how long a connection is kept open between two.`,
  ),
  defer_transports: row(
    list,
    "",
    `
    Transports by which nothing is delivered until it is asked for: their mail is put off (deferred transport), and
    tried by sces-queue flush.`,
  ),
  default_destination_recipient_limit: row(
    integer(1, 100_000),
    "50",
    `
    The largest number of recipients in one delivery of a message to a destination.`,
  ),
  default_destination_rate_delay: row(
    time(),
    "0s",
    `
    The wait between two deliveries to the same destination, which are then made one at a time. 0: none.`,
  ),
} satisfies Section;

export const holding = {
  hold_sender_checks: row(
    rules("address"),
    "",
    `
    Senders whose mail is put on hold, each with the reason that will be shown, e.g. example.org spam run, stopped.`,
  ),
  hold_recipient_checks: row(
    rules("address"),
    "",
    `
    Recipients whose mail is put on hold. One that matches holds the whole message.`,
  ),
  hold_header_checks: row(
    rules("header"),
    "",
    `
    Header fields whose messages are put on hold. Expressions see a field as one line, name and colon included, and
    its first 1000 characters. A dollar sign must be written twice.`,
  ),
  hold_client_checks: row(
    rules("client"),
    "",
    `
    Clients whose mail is put on hold.`,
  ),
  hold_expire_time: row(
    time({ unit: "d", max: "520w" }),
    "0",
    `
    How long mail stays on hold before it is returned to its sender. 0: for ever.`,
  ),
  corrupt_retention_time: row(
    time({ unit: "d", max: "520w" }),
    "30d",
    `
    How long files stay in quarantine before they are removed. 0: for ever.`,
  ),
} satisfies Section;
