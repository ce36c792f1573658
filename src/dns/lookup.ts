/** Names for sockets of the runtime, found by the servers of the settings instead of the machine's. */
import type { LookupFunction } from "node:net";
import type { Dns } from "./dns.ts";

export function lookupBy(dns: Dns): LookupFunction {
  return (host, { all }, callback) => {
    void dns.addresses(host).then((answer) => {
      const addresses =
        answer.kind === "found"
          ? answer.records.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }))
          : [];
      const [first] = addresses;
      if (first === undefined) callback(new Error(`no address for ${host}`), []);
      else if (all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}
