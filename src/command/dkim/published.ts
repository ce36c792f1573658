/** Whether the DNS has the record that a key needs. */
import { clean } from "../../base/text.ts";
import type { Dns } from "../../dns/dns.ts";
import type { KeyFile } from "./key-files.ts";
import { parseRecord, recordName, recordText } from "./record.ts";

/** What is wrong; undefined if it is published. */
export async function whyNotPublished(
  { domain, selector, key, problem }: KeyFile,
  dns: Dns,
): Promise<string | undefined> {
  if (key === undefined) return problem ?? "cannot be used";
  const name = recordName(domain, selector);
  const answer = await dns.txt(name);
  if (answer.kind === "again") return `${name}: the name servers give no answer: try again later`;
  if (answer.kind === "none") return `${name} has no TXT record: publish the one that "sces dkim list ${domain}" shows`;
  if (answer.records.length > 1)
    return `${name} has ${answer.records.length} TXT records: leave the one that belongs to the key`;
  const published = parseRecord(answer.records[0] ?? "");
  if (published === undefined) return `${name} is no DKIM key: ${clean(answer.records[0] ?? "", 100)}`;
  const wanted = parseRecord(recordText(key));
  if (published.get("p") === "") return `${name} says that the key is revoked (p=)`;
  const isSame = published.get("p") === wanted?.get("p") && (published.get("k") ?? "rsa") === wanted?.get("k");
  if (!isSame) return `${name} has another key: publish the record that "sces dkim list ${domain}" shows`;
  return published.get("t")?.split(":").includes("y")
    ? `${name} says that the domain is only testing (t=y): verifiers may not heed it`
    : problem;
}
