/**
 * An https server that answers every request alike, as servers of MTA-STS policies and of TLS reports do.
 *
 *   await using https = await policyServer(ca.issue(["mta-sts.e.org"]), { body: "version: STSv1\n..." });
 *   ... smtp_mta_sts_port = ${https.port} ...
 */
import type { IncomingMessage } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Certificate } from "./certificate.ts";

export interface PolicyAnswer {
  readonly status?: number; // default 200
  readonly type?: string; // default text/plain
  readonly body?: string | Buffer;
  readonly location?: string;
  readonly isSilent?: boolean; // never answers
}

export interface PolicyRequest {
  readonly line: string; // "GET mta-sts.e.org/.well-known/mta-sts.txt"
  readonly type: string; // of what was sent
  readonly body: Buffer; // what was sent
}

export interface PolicyServer extends AsyncDisposable {
  readonly port: number;
  readonly requests: readonly PolicyRequest[];
  set(answer: PolicyAnswer): void;
}

export async function policyServer(certificate: Certificate, first: PolicyAnswer = {}): Promise<PolicyServer> {
  let answer = first;
  const requests: PolicyRequest[] = [];
  const server = createServer({ ...certificate }, (request, response) => {
    void bodyOf(request).then((body) => {
      const host = (request.headers.host ?? "").replace(/:\d+$/, "");
      requests.push({
        line: `${request.method} ${host}${request.url}`,
        type: request.headers["content-type"] ?? "",
        body,
      });
      if (answer.isSilent) return;
      const { status = 200, type = "text/plain", location, body: text = "" } = answer;
      response.writeHead(status, { "Content-Type": type, ...(location === undefined ? {} : { Location: location }) });
      response.end(text);
    });
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    set(next) {
      answer = next;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
