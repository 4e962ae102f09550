import { BackwardWriter } from "../../../std/backward-writer.ts";
import type { CallHandler, GrpcCall } from "./grpc-call.ts";
import type { HealthService, ServingStatus } from "./health.ts";
import type { Method } from "./methods-server.ts";
import { ProtoReader } from "../../../std/proto-reader.ts";
import { grpcStatus } from "./status.ts";

/** `HealthCheckResponse.ServingStatus` */
const statusNumbers = { SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } as const;

const requestField = { service: 1 };

/** Tags of `HealthCheckResponse.status`, `HealthListResponse.statuses` and the entries of its map. */
const tags = { status: 0x08, statuses: 0x0a, key: 0x0a, value: 0x12 };

/** The methods of the standard gRPC health service, by path. */
export function healthMethods(health: HealthService): readonly (readonly [string, Method])[] {
  const service = "/grpc.health.v1.Health";
  return [
    [`${service}/Check`, (call) => asking(call, (name) => check(call, health, name))],
    [`${service}/Watch`, (call) => asking(call, (name) => watch(call, health, name))],
    [`${service}/List`, (call) => asking(call, () => list(call, health))],
  ];
}

/** Ends what a call has begun. */
type Stop = () => void;

/** Reads the only message of a call, and serves it. */
function asking(call: GrpcCall, serve: (service: string) => Stop | undefined): CallHandler {
  let hasAsked = false;
  let stop: Stop | undefined;
  return {
    message: (bytes, start, end) => {
      if (hasAsked) return;
      hasAsked = true;
      const service = serviceIn(bytes, start, end);
      if (service === undefined) {
        call.fail({ code: grpcStatus.internal, message: "the message is no HealthCheckRequest" });
      } else stop = serve(service);
    },
    ended: () => {
      if (!hasAsked) call.fail({ code: grpcStatus.internal, message: "no message" });
    },
    closed: () => stop?.(),
  };
}

function serviceIn(bytes: Buffer, start: number, end: number): string | undefined {
  const reader = new ProtoReader(bytes, start, end);
  let service = "";
  while (reader.next()) {
    if (reader.isBytes(requestField.service)) {
      service = bytes.toString("utf8", reader.valueStart, reader.valueEnd);
    } else reader.skip();
  }
  return reader.isBroken ? undefined : service;
}

function check(call: GrpcCall, health: HealthService, service: string): undefined {
  const status = health.statuses.get(service);
  if (status === undefined) {
    const message = `health status unknown for service ${service.slice(0, 100)}`;
    call.fail({ code: grpcStatus.notFound, message });
  } else {
    call.send(statusMessage(status));
    call.finish();
  }
}

/** Tells the status now and after each change, until the client leaves. */
function watch(call: GrpcCall, health: HealthService, service: string): Stop {
  let told: ServingStatus | "SERVICE_UNKNOWN" | undefined;
  const tell = () => {
    const status = health.statuses.get(service) ?? "SERVICE_UNKNOWN";
    if (status === told) return;
    told = status;
    call.send(statusMessage(status));
  };
  tell();
  return health.watch(tell);
}

function list(call: GrpcCall, health: HealthService): undefined {
  const writer = new BackwardWriter();
  writer.begin();
  for (const [service, status] of health.statuses) {
    const before = writer.length;
    writeStatus(writer, status);
    writer.close(tags.value, before);
    writer.text(tags.key, service);
    writer.close(tags.statuses, before);
  }
  call.send(framed(writer));
  call.finish();
}

function statusMessage(status: keyof typeof statusNumbers): BackwardWriter {
  const writer = new BackwardWriter();
  writer.begin();
  writeStatus(writer, status);
  return framed(writer);
}

function writeStatus(writer: BackwardWriter, status: keyof typeof statusNumbers): void {
  writer.byte(statusNumbers[status]);
  writer.byte(tags.status);
}

/** Adds the prefix of gRPC. */
function framed(writer: BackwardWriter): BackwardWriter {
  writer.prefix();
  return writer;
}
