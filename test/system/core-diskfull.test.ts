import { expect, test } from "vitest";
import { diskFull } from "../crash/disk-full.ts";
import { whyNoSmallDisk } from "../harness/small-disk.ts";

const reason = whyNoSmallDisk();

test.skipIf(reason)(
  `a full disk refuses new mail for now, delivers what is queued, and recovers by itself${reason ? ` (${reason})` : ""}`,
  async () => {
    expect((await diskFull()).violations).toEqual([]);
  },
  120_000,
);
