/** smtpd_reject_footer: what the administrator wants said behind every refusal, as Postfix has it. */
import { clean } from "../../base/text.ts";
import { expand } from "../../config/expand.ts";

/** `names`: what $name in the footer stands for. Text from outside in them is no template. */
export function withFooter(reply: string, footer: string, names: Readonly<Record<string, string>>): string {
  const [, code = "", status = ""] = /^([45]\d\d)[ -](\d\.\d+\.\d+ )?/.exec(reply) ?? [];
  if (code === "" || footer === "") return reply;
  const said = expand(footer, (name) => clean(names[name] ?? "", 200).replaceAll("$", "$$$$"));
  const isSameLine = said.startsWith("\\c");
  const [first = "", ...rest] = said.replace(/^\\c/, "").split("\\n");
  const lines = isSameLine ? [`${reply} ${first.trimStart()}`, ...rest] : [reply, first, ...rest];
  return lines
    .map((line, index) => {
      const text = index === 0 ? line.slice(4) : `${status}${line.trim()}`;
      return `${code}${index < lines.length - 1 ? "-" : " "}${text}`;
    })
    .join("\r\n");
}
