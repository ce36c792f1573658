/** main.cf and the tables that it names: an administrator's slip is a problem with its line, and no more than that. */
import { parseBounceClasses } from "../../src/config/bounce-classes.ts";
import { buildConfig } from "../../src/config/config.ts";
import { ConfigError, problemText } from "../../src/config/config-error.ts";
import { rawValues, configFromValues, sourceOf } from "../../src/config/load.ts";
import { maps, TABLE_TYPES, type TableType } from "../../src/config/maps.ts";
import { parseSchedule } from "../../src/config/retry-profile.ts";
import { parseTableText } from "../../src/config/table-formats.ts";
import { ValueError } from "../../src/config/values.ts";
import { mustBeSafe, promise, type Target } from "./target.ts";

/** The first line says what the rest is. */
const SEEDS = [
  `main.cf
# a comment
myhostname = mail.sces.test
mydestination = $myhostname, localhost.$mydomain,
    example.org
relayhost = [192.0.2.1]:2525
smtpd_recipient_restrictions = permit_mynetworks, check_recipient_access inline:{{x@y.z = REJECT no}},
  reject_unauth_destination
transports = slow:smtp
slow_destination_concurrency_limit = 1
retry_profiles = { slow: 5m, 10m*2, 1h; jitter 10% } { exim: F,2h,15m; G,16h,1h,1.5 }
mynetworks = 127.0.0.0/8 [::1]/128 !192.0.2.0/24
queue_run_delay = 300s
hold_rules = sender bad@x.test a reason, header /^Subject: .*x/ spam
smtp_tls_security_level = may
submission_listen = 127.0.0.1:0
virtual_alias_maps = texthash:/nonexistent/virtual, regexp:/nonexistent/more
smtpd_banner = $myhostname ESMTP \${mail_name?{$mail_name}:{x}}
throttles = domain=example.org rate=10/m connections=2
`,
  `texthash
# addresses
root@example.org   admin@example.org,
   other@example.org
"quo ted"@x  y
@example.net  z@example.org
`,
  'aliases\npostmaster: root, "a b"@x.test\nlist:\n  :include:/nonexistent/list\nout: |/bin/x, /var/file\n',
  "regexp\n/^(.+)@old\\.test$/i  $1@new.test\nif !/x/\n/y/ ${1}z\nendif\n!/z$/ $(1)$$\n",
  "pcre\n/^a{1,3}[b-d]*(?:e|f)?$/m REJECT\n",
  "cidr\n192.0.2.0/24 REJECT\n2001:db8::/32 OK\nif 10.0.0.0/8\n10.1.0.0/16 permit\nendif\n",
  "inline\na=b, {c d = e f}, x@y.z = w",
  "classes\n/\\b4\\.7\\.1\\b.*greylist/ defer,slow=5m greylist wait\n55x bounce quota the mailbox is full\n*.2.2 none quota\n",
  "schedule\n5m, 10m*2, 1h; jitter 10%; lifetime 4d",
  "schedule\nF,2h,15m; G,16h,1h,1.5; H,4d,6h,1.2",
  "schedule\nbackoff 5m 4h",
];
const KEYS = [
  "",
  "a",
  "root@example.org",
  "x@sub.example.org",
  "192.0.2.77",
  "2001:db8::1",
  "y".repeat(60),
  "\u0130@x",
];
/** An administrator's expression may be slow, which is not ours to judge: nothing long is asked for. */
const LONGEST_FOR_EXPRESSION = 8;

export function settingsTarget(): Target {
  return {
    name: "settings",
    share: 1,
    seeds: SEEDS.map((text) => Buffer.from(text)),
    dictionary: [
      ...["=", "\n ", "\n#", "$", "$$", "${", "}", "{", ",", ":", "!", "/", "\\", '"', "if ", "endif\n", "\r\n", "\0"],
      ...[
        "$myhostname",
        "${x?{y}:{z}}",
        "$(1)",
        "smtp_",
        "slow_",
        "inline:{",
        "regexp:",
        "static:",
        "[::1]",
        "/33",
        "%",
      ],
    ],
    maxBytes: 16 * 1024,
    run(input) {
      const text = input.toString("utf8");
      const newline = text.indexOf("\n");
      return read(text.slice(0, newline), text.slice(newline + 1), input.length);
    },
    async [Symbol.asyncDispose]() {},
  };
}

function read(kind: string, text: string, chance: number): string {
  if (kind === "main.cf") return readMainCf(text);
  if (kind === "classes") {
    const classes = parseBounceClasses(text);
    for (const { text: why } of classes.problems) mustBeSafe(why, "a problem");
    const found = classes.find({ type: "error", code: 451, dsn: "4.7.1", text: "greylisted, come back later" });
    return `classes ${Math.min(9, classes.rows.length)} ${Math.min(9, classes.problems.length)} ${found === undefined}`;
  }
  if (kind === "schedule") {
    const schedule = unlessValueError(() => parseSchedule(text));
    if (schedule === undefined) return "no schedule";
    const { due } = schedule.plan({ now: 1000, arrival: 0, firstDeferred: 0, attempts: 1, lateMs: 0 }, 0.5);
    promise(!Number.isNaN(due), `due at ${due}`);
    return "schedule";
  }
  if (kind === "inline") return readInline(text);
  const known = (TABLE_TYPES as readonly string[]).includes(kind);
  const type = known ? (kind as TableType) : (TABLE_TYPES[chance % TABLE_TYPES.length] ?? "texthash");
  return type === "inline" ? readInline(text) : look(type, text);
}

/** What stands in main.cf itself has been through its parser. */
function readInline(text: string): string {
  const specs = unlessValueError(() => maps.parse(`inline:{${text}}`, "/"));
  return specs?.map(({ type, name }) => (type === "inline" ? look(type, name) : type)).join(" ") ?? "no inline table";
}

function look(type: TableType, text: string): string {
  const table = parseTableText(type, text);
  for (const { text: why } of table.problems) mustBeSafe(why, "a problem");
  const longest = type === "regexp" || type === "pcre" ? LONGEST_FOR_EXPRESSION : Number.POSITIVE_INFINITY;
  const hits = KEYS.filter((key) => key.length <= longest && table.find(key) !== undefined);
  return `${type} ${Math.min(9, table.size)} ${Math.min(9, table.problems.length)} ${hits.length}`;
}

function readMainCf(text: string): string {
  const { settings, problems } = sourceOf("/nonexistent", text);
  try {
    const config = buildConfig(settings, problems);
    // What a child process is sent makes the same settings.
    const values = rawValues(config);
    promise(
      JSON.stringify(rawValues(configFromValues(values))) === JSON.stringify(values),
      "another process has other settings",
    );
    return `good ${settings.written.size}`;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    promise(error.problems.length > 0, "wrong, and nobody knows why");
    for (const problem of error.problems) mustBeSafe(problemText(problem), "a problem");
    return `bad ${error.problems[0]?.text.slice(0, 20)}`;
  }
}

function unlessValueError<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (error instanceof ValueError) return undefined;
    throw error;
  }
}
