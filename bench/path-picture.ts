/** The path's cost as a picture: a bar for each process, a piece for each step. SVG that reads on light and dark. */
import { PATH, type PathCost, sum } from "./path-cost.ts";
import { STEPS, type Step } from "./path-steps.ts";

const WIDTH = 900;
const MARGIN = 24;
const BAR_LEFT = 128;
const BAR_RIGHT = 690;
const BAR_HEIGHT = 26;
const ROW = 36;
const LEGEND_COLUMNS = 3;
const LEGEND_ROW = 22;
/** A piece narrower than this has no room for its figure. */
const LEAST_LABEL_PX = 26;

const COLOURS: Readonly<Record<Step, string>> = {
  "SMTP with the client": "#4477aa",
  "SMTP with the next hop": "#66ccee",
  "queue files": "#228833",
  "thread pool: file work": "#7fbf7b",
  scheduling: "#ccbb44",
  "envelope, addresses, routes": "#ee9944",
  "talk between processes": "#aa3377",
  log: "#cc6677",
  "event loop, sockets": "#9988cc",
  "garbage collection": "#777777",
  "compiler and collector threads": "#aaaaaa",
};
const FILE_WORK_COLOUR = "#5a5a5a";

export function pathPicture(costs: readonly PathCost[]): string {
  const totals = costs.flatMap(({ processes, fileWorkUs }) => [...processes.map(totalUs), fileWorkUs]);
  const scale = (BAR_RIGHT - BAR_LEFT) / Math.max(...totals);
  const parts: string[] = [];
  let y = MARGIN + 18;
  parts.push(text(MARGIN, y, "CPU that one message costs, by process and step, in microseconds", "title"));
  for (const cost of costs) {
    y += 38;
    const whole = sum(cost.processes.map(totalUs));
    parts.push(text(MARGIN, y, `${cost.workload}: ${cost.title}: ${whole.toFixed(0)} µs in all`, "head"));
    y += 14;
    const path = cost.processes.filter(({ name }) => PATH.includes(name));
    for (const process of path) {
      parts.push(text(BAR_LEFT - 10, y + 18, process.name, "name"));
      let x = BAR_LEFT;
      for (const step of STEPS) {
        const us = process.us[step] ?? 0;
        const width = us * scale;
        if (width < 0.5) continue;
        const tip = `${process.name}, ${step}: ${us.toFixed(0)} µs`;
        parts.push(rectangle(x, y, width, COLOURS[step], tip));
        if (width >= LEAST_LABEL_PX) parts.push(text(x + width / 2, y + 17, us.toFixed(0), "piece"));
        x += width;
      }
      const calls = sum(Object.values(process.systemCalls));
      const callsText = calls > 0 ? `, ${calls.toFixed(1)} system calls` : "";
      parts.push(text(x + 8, y + 18, `${totalUs(process).toFixed(0)}${callsText}`, "total"));
      y += ROW;
    }
    parts.push(text(BAR_LEFT - 10, y + 18, "bare file work", "name"));
    const width = cost.fileWorkUs * scale;
    parts.push(rectangle(BAR_LEFT, y, width, FILE_WORK_COLOUR, `the bare file work: ${cost.fileWorkUs.toFixed(0)} µs`));
    parts.push(text(BAR_LEFT + width + 8, y + 18, `${cost.fileWorkUs.toFixed(0)}, for comparison`, "total"));
    y += ROW;
  }
  y += 16;
  const shown = STEPS.filter((step) =>
    costs.some(({ processes }) => processes.some(({ us }) => (us[step] ?? 0) >= 0.5)),
  );
  for (const [index, step] of shown.entries()) {
    const x = MARGIN + (index % LEGEND_COLUMNS) * ((WIDTH - 2 * MARGIN) / LEGEND_COLUMNS);
    const top = y + Math.floor(index / LEGEND_COLUMNS) * LEGEND_ROW;
    parts.push(`<rect x="${x}" y="${top}" width="14" height="14" rx="2" fill="${COLOURS[step]}"/>`);
    parts.push(text(x + 22, top + 12, step, "legend"));
  }
  const height = y + Math.ceil(shown.length / LEGEND_COLUMNS) * LEGEND_ROW + MARGIN - 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
<title>CPU that one message costs, by process and step</title>
<style>
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 16px; font-weight: 600; }
  .head { font-weight: 600; }
  .name { text-anchor: end; }
  .piece { text-anchor: middle; font-size: 12px; fill: #ffffff; stroke: #00000080; stroke-width: 2px; paint-order: stroke; }
  .total { fill: #59636e; }
  .card { fill: #ffffff; stroke: #d1d9e0; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .total { fill: #9198a1; }
    .card { fill: #0d1117; stroke: #3d444d; }
    .piece { fill: #ffffff; }
  }
</style>
<rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8"/>
${parts.join("\n")}
</svg>
`;
}

function totalUs(process: PathCost["processes"][number]): number {
  return sum(Object.values(process.us));
}

function rectangle(x: number, y: number, width: number, colour: string, tip: string): string {
  const box = `x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}"`;
  return `<rect ${box} fill="${colour}"><title>${escaped(tip)}</title></rect>`;
}

function text(x: number, y: number, words: string, kind: string): string {
  return `<text class="${kind}" x="${x.toFixed(1)}" y="${y}">${escaped(words)}</text>`;
}

function escaped(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
