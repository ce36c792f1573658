/** Reads a .cpuprofile of V8's: where a process spent its time. */
import { type Step, stepOf } from "./path-steps.ts";

export interface FunctionTime {
  readonly name: string;
  readonly place: string; // file and line, shortened
  readonly selfMs: number; // in the function itself, without those it called
}

export interface ProfileSummary {
  readonly busyMs: number; // all but idle
  readonly idleMs: number;
  readonly functions: readonly FunctionTime[]; // longest first
  readonly places: readonly { readonly name: string; readonly selfMs: number }[]; // by file or package, longest first
  readonly steps: ReadonlyMap<Step, number>; // ms
}

interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[]; // node ids
  readonly timeDeltas: readonly number[]; // microseconds before each sample
}

interface ProfileNode {
  readonly id: number;
  readonly children?: readonly number[];
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
}

export function summarize(text: string, root: string): ProfileSummary {
  const profile: CpuProfile = JSON.parse(text);
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const functions = new Map<string, { name: string; place: string; selfMs: number }>();
  const places = new Map<string, number>();
  const steps = new Map<Step, number>();
  const stacks = stacksOf(profile.nodes, root);
  let idleMs = 0;
  let busyMs = 0;
  for (const [index, id] of profile.samples.entries()) {
    const frame = nodes.get(id)?.callFrame;
    if (!frame) continue;
    // A sample stands for the time until the next one.
    const ms = Math.max(0, profile.timeDeltas[index + 1] ?? 0) / 1000;
    if (frame.functionName === "(idle)") {
      idleMs += ms;
      continue;
    }
    busyMs += ms;
    const file = shortened(frame.url, root);
    const place = file ? `${file}:${frame.lineNumber + 1}` : "";
    const key = `${frame.functionName} ${place}`;
    const known = functions.get(key);
    if (known) known.selfMs += ms;
    else functions.set(key, { name: frame.functionName || "(anonymous)", place, selfMs: ms });
    const group = groupOf(file, frame.functionName);
    places.set(group, (places.get(group) ?? 0) + ms);
    const step = stepOf(frame.functionName, stacks.get(id) ?? []);
    steps.set(step, (steps.get(step) ?? 0) + ms);
  }
  const longestFirst = (a: { selfMs: number }, b: { selfMs: number }): number => b.selfMs - a.selfMs;
  return {
    busyMs,
    idleMs,
    functions: [...functions.values()].sort(longestFirst),
    places: [...places].map(([name, selfMs]) => ({ name, selfMs })).sort(longestFirst),
    steps,
  };
}

/** By node: the files of the functions that were running, the innermost first. */
function stacksOf(nodes: readonly ProfileNode[], root: string): Map<number, readonly string[]> {
  const stacks = new Map<number, readonly string[]>();
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const stack = (id: number): readonly string[] => {
    const known = stacks.get(id);
    if (known !== undefined) return known;
    const parent = parents.get(id);
    const file = shortened(byId.get(id)?.callFrame.url ?? "", root);
    const made = [file, ...(parent === undefined ? [] : stack(parent))];
    stacks.set(id, made);
    return made;
  };
  for (const { id } of nodes) stack(id);
  return stacks;
}

function shortened(url: string, root: string): string {
  return url
    .replace(/^file:\/\//, "")
    .replace(`${root}/`, "")
    .replace(/^node_modules\//, "");
}

/** One of our files, a package, Node itself, or what V8 calls it: (program) is native code, system calls included. */
function groupOf(file: string, functionName: string): string {
  if (file.startsWith("src/")) return file;
  if (file.startsWith("node:")) return "node";
  if (file === "") return functionName.startsWith("(") ? functionName : "native";
  return /^(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? file;
}
