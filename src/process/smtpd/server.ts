/** One listener: smtp-server's server, with our sessions, our certificate, and no way to its own key. */
import type { AddressInfo, Server, Socket } from "node:net";
import { SMTPServer } from "smtp-server";
import type { SMTPConnectionOptions } from "smtp-server/lib/smtp-connection.js";
import { messageOf } from "../../base/errors.ts";
import { unmapped } from "../../base/own-addresses.ts";
import { Session } from "./session.ts";
import { lookUpName, type PeerName, presetName } from "./peer-name.ts";
import type { Settings } from "./settings.ts";
import type { Station } from "./station.ts";

export class MailServer extends SMTPServer {
  readonly #station: Station;
  readonly #limit: () => boolean;
  #here: SMTPConnectionOptions = {};

  /** `isFull`: no connection more. */
  constructor(station: Station, isFull: () => boolean) {
    const { service } = station.settings;
    super({
      name: station.settings.config.myhostname,
      disableReverseLookup: true,
      logger: false,
      // smtp-server shakes hands inside the session, where our deadlines and limits hold.
      secure: service === "submissions",
      needsUpgrade: service === "submissions",
      // A client that closes its side behind QUIT still gets our answers.
      allowHalfOpen: true,
    });
    this.#station = station;
    this.#limit = isFull;
    this.useSettings(station.settings);
    // Without a listener one client's RST in the middle of a message would end the process.
    this.on("error", (error: Error) => station.log.warn(`${service}: ${messageOf(error)}`));
  }

  useSettings(settings: Settings): void {
    this.#station.settings = settings;
    this.secureContext.clear();
    if (settings.secureContext !== undefined) this.secureContext.set("*", settings.secureContext);
  }

  /** Called by smtp-server's constructor, which would put a key there that everybody knows. */
  override updateSecureContext(): void {
    this.secureContext = new Map();
  }

  /** Called for each socket, ahead of `connect`: we take no PROXY header, and need no random name of the connection. */
  override _handleProxy(_socket: Socket, callback: (error: null) => void): void {
    callback(null);
  }

  override connect(socket: Socket): void {
    const { rules, config } = this.#station.settings;
    const address = unmapped(socket.remoteAddress ?? "");
    const preset = presetName(address, config.smtpd_peername_lookup && address !== "");
    if (preset !== undefined) this.#serve(socket, preset);
    else void this.#nameAndServe(socket, lookUpName(rules.dns, address)); // never rejects
  }

  /** The name is in every line about the client, also in the first. What it says meanwhile waits in its socket. */
  async #nameAndServe(socket: Socket, name: Promise<PeerName>): Promise<void> {
    const ignore = (): void => {}; // the close that follows says it
    this.#station.load.naming++;
    socket.on("error", ignore);
    const known = await name;
    socket.off("error", ignore);
    this.#station.load.naming--;
    if (!socket.destroyed) this.#serve(socket, known);
  }

  #serve(socket: Socket, names: PeerName): void {
    const session = new Session(this.#station, this, socket, this.#here, names);
    if (this.#limit()) {
      this.#station.log.warn(`too many connections: ${session.peer} is turned away`);
      socket.on("error", () => {});
      socket.end(`421 4.3.2 ${this.#station.settings.config.myhostname} Error: all server ports are busy\r\n`);
      socket.setTimeout(1000, () => socket.destroy());
      socket.resume();
      return;
    }
    this.connections.add(session);
    session.init();
  }

  /** `handle`: what net.Server.listen takes: the handle that master bound, or options. Resolves when it listens. */
  listening(handle: unknown): Promise<Server> {
    const { server } = this;
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(handle as object, () => {
        server.off("error", reject);
        // smtp-server would ask the kernel for each connection, and nobody wants to know.
        const { address, port } = server.address() as AddressInfo;
        this.#here = { id: "-", localAddress: address, localPort: port };
        resolve(server);
      });
    });
  }
}
