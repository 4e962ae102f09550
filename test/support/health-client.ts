import { ChannelCredentials, Client } from "@grpc/grpc-js";
import { service } from "grpc-health-check";

/** Asks a gRPC health service as a kubelet does; resolves to the status, or to `error: …`. */
export function checkHealth(port: number, name: string, address = "127.0.0.1"): Promise<string> {
  const client = new Client(`${address}:${port}`, ChannelCredentials.createInsecure());
  const method = service["Check"];
  if (method === undefined) throw new Error("grpc-health-check has no Check");
  const { path, requestSerialize, responseDeserialize } = method;
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { service: name },
      (error: Error | null, response?: { status?: string }) => {
        client.close();
        resolve(error === null ? (response?.status ?? "no status") : `error: ${error.message}`);
      },
    );
  });
}
