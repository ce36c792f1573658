/** Dates as mail, listings and results write them. Every function takes ms since 1970. */
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

/** RFC 5322 3.3 in the local zone: `Sun, 22 Nov 2026 02:13:16 +0100 (CET)` without the comment. */
export function mailDate(ms: number): string {
  const date = new Date(ms);
  const offset = -date.getTimezoneOffset(); // minutes east of UTC
  const zone = `${offset < 0 ? "-" : "+"}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  const day = `${DAYS[date.getDay()]}, ${date.getDate()} ${MONTHS[date.getMonth()]} ${date.getFullYear()}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${zone}`;
}

/** asctime(3) in the local zone, 24 characters without its newline: `Sun Nov  2 02:13:16 2026`. mailq cuts it to 19. */
export function asctime(ms: number): string {
  const date = new Date(ms);
  const day = `${DAYS[date.getDay()]} ${MONTHS[date.getMonth()]} ${String(date.getDate()).padStart(2, " ")}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${date.getFullYear()}`;
}

/** UTC as MailerQ's JSON has it: `2026-11-22 02:13:16`. */
export function utcDateTime(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

/** The inverse, strict: undefined for anything but a real `YYYY-MM-DD HH:MM:SS` in UTC. */
export function parseUtcDateTime(text: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$/.test(text)) return undefined;
  const ms = Date.parse(`${text.replace(" ", "T")}Z`);
  return Number.isNaN(ms) || utcDateTime(ms) !== text ? undefined : ms;
}
