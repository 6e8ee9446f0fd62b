/** What may lie between a browser and the server. */
import { createServer as createHttpServer, request, type IncomingMessage, type Server as HttpServer } from "node:http";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

async function listen(server: Server | HttpServer): Promise<string> {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A network that can fail. */
export class Network {
  private readonly pairs = new Set<Socket[]>();
  private state: "up" | "cut" | "silent" = "up";

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
  ) {}

  base = "";

  static async to(base: string): Promise<Network> {
    const network: Network = new Network(
      createServer((socket) => { network.pass(socket); }),
      new URL(base),
    );
    network.base = await listen(network.server);
    return network;
  }

  private pass(near: Socket): void {
    if (this.state === "cut") {
      near.destroy();
      return;
    }
    const far = connect(Number(this.target.port), this.target.hostname);
    const pair = [near, far];
    this.pairs.add(pair);
    for (const [from, to] of [[near, far], [far, near]] as const) {
      from.on("data", (chunk) => { if (this.state === "up") to.write(chunk); });
      from.on("error", () => undefined);
      from.on("close", () => {
        this.pairs.delete(pair);
        if (this.state !== "silent") to.destroy();
      });
    }
  }

  /** Every connection is reset, and new ones are. */
  cut(): void {
    this.state = "cut";
    this.reset();
  }

  /** Nothing arrives any more, and neither side notices: a cable is out, or one side sleeps. */
  silence(): void {
    this.state = "silent";
  }

  /** New connections work again; what the silence swallowed is lost. */
  restore(): void {
    this.state = "up";
  }

  private reset(): void {
    for (const pair of this.pairs) pair.forEach((socket) => socket.destroy());
  }

  close(): void {
    this.reset();
    this.server.close();
  }
}

type Deliver = () => void;
interface Proxy {
  base: string;
  close: () => void;
}

const isStream = (response: IncomingMessage) => response.headers["content-type"]?.startsWith("text/event-stream");

/** A proxy that treats each response as it likes. */
async function startProxy(
  to: string,
  treat: (request: IncomingMessage, response: IncomingMessage, deliver: Deliver) => void,
): Promise<Proxy> {
  const { hostname, port } = new URL(to);
  const proxy = createHttpServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const upstream = request({ hostname, port, method, path: url, headers }, (response) => {
      response.on("close", () => { if (!response.complete) outgoing.destroy(); });
      treat(incoming, response, () => {
        outgoing.writeHead(response.statusCode ?? 502, response.headers);
        outgoing.flushHeaders();
        response.pipe(outgoing);
      });
    });
    outgoing.on("close", () => upstream.destroy());
    upstream.on("error", () => outgoing.destroy());
    incoming.pipe(upstream);
  });
  const close = () => {
    proxy.closeAllConnections();
    proxy.close();
  };
  return { base: await listen(proxy), close };
}

/** A proxy that keeps every stream of events to itself. */
export function startHoldingProxy(to: string): Promise<Proxy> {
  return startProxy(to, (_, response, deliver) => {
    if (isStream(response)) response.resume();
    else deliver();
  });
}

/** A proxy that cuts every stream of events after `life` milliseconds. */
export function startCuttingProxy(to: string, life: number): Promise<Proxy> {
  return startProxy(to, (_, response, deliver) => {
    if (isStream(response)) setTimeout(() => response.destroy(), life);
    deliver();
  });
}

/** A proxy whose responses to POST requests, their cookies with them, arrive late. */
export function startLateProxy(to: string, delay: number): Promise<Proxy> {
  return startProxy(to, (incoming, _, deliver) => {
    if (incoming.method === "POST") setTimeout(deliver, delay);
    else deliver();
  });
}
