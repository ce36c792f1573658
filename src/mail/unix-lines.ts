/** CRLF to LF, over the borders of pieces: a piece's last CR waits for the next piece. */
export function unixLines(): (chunk: Buffer) => Buffer {
  let heldCr = false;
  return (chunk) => {
    const bytes = heldCr ? Buffer.concat([Buffer.from("\r"), chunk]) : chunk;
    heldCr = bytes.at(-1) === 13;
    const whole = heldCr ? bytes.subarray(0, -1) : bytes;
    return whole.includes("\r\n") ? Buffer.from(whole.toString("latin1").replaceAll("\r\n", "\n"), "latin1") : whole;
  };
}
