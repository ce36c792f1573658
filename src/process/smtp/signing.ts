/** Who vouches for a message: for ours its author's domain, by DKIM; for that of others we say what we saw, by ARC. */
import { networkMatcher } from "../../config/match.ts";
import type { Deliver } from "../../ipc/messages.ts";
import type { Content } from "../../spool/file.ts";
import type { ArcSealer } from "./arc.ts";
import { signed } from "./dkim.ts";
import type { DkimKeys } from "./dkim-keys.ts";
import type { Sign } from "./outgoing.ts";

export class Signing {
  readonly #keys: DkimKeys | undefined;
  readonly #sealer: ArcSealer | undefined;
  readonly #isTrusted: (address: string) => boolean;

  /** `networks`: whose clients are ours. */
  constructor(keys: DkimKeys | undefined, sealer: ArcSealer | undefined, networks: readonly string[]) {
    this.#keys = keys;
    this.#sealer = sealer;
    this.#isTrusted = networkMatcher(networks);
  }

  /** `original`: the message as it is in the queue. undefined: nobody is to sign. */
  for({ client, sender }: Deliver, original: Content): Sign | undefined {
    const keys = this.#keys;
    const sealer = this.#sealer;
    if (client === undefined || this.#isTrusted(client.address)) {
      return keys === undefined ? undefined : (outgoing) => signed(outgoing, keys);
    }
    return sealer === undefined ? undefined : (outgoing) => sealer.seal(original, outgoing, { client, sender });
  }
}
