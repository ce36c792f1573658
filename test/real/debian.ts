/**
 * Servers out of Debian's packages without installing them: mail servers exclude each other, and a test has no business
 * changing the machine. Packages are downloaded with what they need and is not there, and unpacked into a folder for
 * temporary files, where the next run finds them.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const CACHE = join(tmpdir(), "sces-test-debian");
const TOOLS = { "apt-get": "apt", dpkg: "dpkg", unshare: "util-linux", chroot: "coreutils", openssl: "openssl" };

/** Why real servers cannot be run here, and what to do about it; undefined if they can. */
export function whyNoServers(): string | undefined {
  if (process.platform !== "linux") return "needs Linux";
  const missing = Object.entries(TOOLS).filter(([tool]) => !isOnPath(tool));
  if (missing.length > 0) return `missing: apt-get install ${missing.map(([, name]) => name).join(" ")}`;
  const mayMount = spawnSync("unshare", ["--mount", "true"]).status === 0;
  return mayMount ? undefined : "needs root and the right to mount, for each server has its own view of the files";
}

/** The folder with the packages' files; throws if they cannot be had. */
export function unpacked(packages: readonly string[]): string {
  const folder = join(CACHE, packages.join("+"));
  const root = join(folder, "root");
  const whole = join(folder, "whole");
  if (existsSync(whole)) return root;
  rmSync(folder, { recursive: true, force: true });
  const archives = join(folder, "archives");
  mkdirSync(join(archives, "partial"), { recursive: true });
  mkdirSync(root);
  const cache = ["-o", `Dir::Cache::archives=${archives}`, "-o", "Debug::NoLocking=1"];
  run("apt-get", ["-y", "-qq", "--download-only", "--no-install-recommends", ...cache, "install", ...packages]);
  for (const name of readdirSync(archives)) {
    if (name.endsWith(".deb")) run("dpkg", ["-x", join(archives, name), root]);
  }
  // Where the machine has links to /usr/lib and so on, folders would hide what is there.
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    const topmost = join(root, name);
    if (!existsSync(topmost)) continue;
    cpSync(topmost, join(root, "usr", name), { recursive: true, verbatimSymlinks: true });
    rmSync(topmost, { recursive: true });
  }
  writeFileSync(whole, "");
  return root;
}

/** Of the package that there is for this machine. */
export function versionOf(name: string): string {
  const about = execFileSync("apt-cache", ["show", "--no-all-versions", name], { encoding: "utf8" });
  return /^Version: (\S+)$/m.exec(about)?.[1] ?? "";
}

function run(command: string, args: readonly string[]): void {
  try {
    execFileSync(command, args, { stdio: ["ignore", "ignore", "pipe"], timeout: 120_000 });
  } catch (error) {
    const words = (error as { stderr?: Buffer }).stderr?.toString().trim().split("\n").at(-1);
    throw new Error(`${command} ${args.at(-1)}: ${words ?? error}; does apt-get update help?`, { cause: error });
  }
}

function isOnPath(tool: string): boolean {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return folders.some((folder) => existsSync(join(folder, tool)));
}
