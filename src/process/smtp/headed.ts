/** Content with fields in front of it: signatures, seals. */
import type { Content } from "../../spool/file.ts";

export function behind(head: Buffer, content: Content): Content {
  const { bytes } = content;
  const whole = bytes === undefined ? undefined : Buffer.concat([head, bytes]);
  return {
    length: head.length + content.length,
    ...(whole === undefined ? {} : { bytes: whole }),
    async *chunks(sizeBytes, reuse) {
      if (whole !== undefined) {
        yield whole;
        return;
      }
      yield head;
      yield* content.chunks(sizeBytes, reuse);
    },
    close: () => content.close(),
  };
}
