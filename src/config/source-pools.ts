/**
 * Pools of source addresses: `pool: address=helo.name*weight, ...; pool: ...`. The name for EHLO and the weight may be
 * left out.
 */
import { isIP } from "node:net";
import { shown, ValueError, type Kind } from "./values.ts";

export interface SourcePool {
  readonly name: string;
  readonly sources: readonly PooledSource[]; // at least one
}

export interface PooledSource {
  readonly address: string;
  readonly helo: string; // "": smtp_helo_name
  readonly weight: number; // how often it is chosen, compared with the others
}

export const POOL_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

export const sourcePools: Kind<readonly SourcePool[]> = {
  name: "pools",
  takes: "pools, divided by semicolons, each as name: address=helo.name*weight, address...",
  parse(text) {
    const pools = text
      .split(";")
      .map((item) => item.trim())
      .filter((item) => item !== "")
      .map(parsePool);
    for (const [index, { name }] of pools.entries()) {
      if (pools.findIndex((pool) => pool.name === name) < index) throw new ValueError(`two pools named ${shown(name)}`);
    }
    return Object.freeze(pools);
  },
};

function parsePool(text: string): SourcePool {
  const colon = text.indexOf(":");
  const name = text.slice(0, Math.max(0, colon)).trim();
  if (!POOL_NAME.test(name)) throw new ValueError(`bad pool: ${shown(text)} (as name: 192.0.2.1=mx1.example.org*3)`);
  const items = text.slice(colon + 1).split(/[\s,]+/);
  const sources = items.filter((item) => item !== "").map(parseSource);
  if (sources.length === 0) throw new ValueError(`pool ${shown(name)} has no address`);
  return Object.freeze({ name, sources: Object.freeze(sources) });
}

function parseSource(text: string): PooledSource {
  const match = /^([0-9A-Fa-f.:]+)(?:=([A-Za-z0-9[][A-Za-z0-9.:[\]_-]*))?(?:\*(\d{1,4}))?$/.exec(text);
  const [, address = "", helo = "", digits = "1"] = match ?? [];
  if (isIP(address) === 0 || Number(digits) === 0) {
    throw new ValueError(`bad source: ${shown(text)} (as 192.0.2.1, 192.0.2.1=mx1.example.org or 2001:db8::1*3)`);
  }
  return Object.freeze({ address, helo, weight: Number(digits) });
}
