/** IP addresses that mean this machine. */
import { networkInterfaces } from "node:os";

/** An IPv4 address in the form that a dual-stack socket gives it, as what it is. */
export function unmapped(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  return mapped ?? address;
}

export function isLoopback(address: string): boolean {
  return unmapped(address).startsWith("127.") || address === "::1";
}

export function isUnspecified(address: string): boolean {
  return address === "::" || unmapped(address).startsWith("0.");
}

/** Whether an interface of this machine has it. */
export function isOnInterface(address: string): boolean {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const plain = unmapped(address);
  return all.some((one) => one.address === plain);
}

/** Whether a connection to it would end on this machine. */
export function isOwnAddress(address: string): boolean {
  return isLoopback(address) || isUnspecified(address) || isOnInterface(address);
}
