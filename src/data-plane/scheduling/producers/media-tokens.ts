import { headerTable } from "../../../core/headers.ts";
import type { HeaderValues, PromptPart } from "../../../core/request.ts";
import type { EstimateParams } from "./token-estimate-params.ts";

type Media = Extract<PromptPart, { readonly kind: "media" }>;

/** Headers in which a client describes a video, which the picker does not decode. */
const fpsHeader = headerTable.videoFps.name;
const secondsHeader = headerTable.videoSeconds.name;
const resolutionHeader = headerTable.videoResolution.name;

/** Estimated tokens of a picture, recording or video, from headers and the configuration. */
export function mediaTokensOf(
  { mediaType }: Media,
  headers: HeaderValues,
  params: EstimateParams,
): number {
  return mediaType === "video" ? videoTokensOf(headers, params.video) : imageTokensOf(params.image);
}

function imageTokensOf({
  mode,
  static: fixed,
  dynamic,
  defaultResolution,
}: EstimateParams["image"]) {
  if (mode === "static") return fixed?.staticToken ?? 0;
  return tokensOfPixels(defaultResolution, dynamic.factor);
}

/** Tokens of a video: min(frames x tokens of a frame, maxVideoTokens), at least 1. */
function videoTokensOf(headers: HeaderValues, params: EstimateParams["video"]): number {
  const { tokensPerFrame, maxVideoTokens, defaultDuration } = params;
  const seconds = positiveIn(headers.get(secondsHeader)) ?? defaultDuration;
  const resolution = resolutionIn(headers.get(resolutionHeader)) ?? params.defaultResolution;
  const frameTokens =
    tokensPerFrame.mode === "static"
      ? (tokensPerFrame.static?.numTokensPerFrame ?? 0)
      : tokensOfPixels(resolution, tokensPerFrame.dynamic.factor);
  const tokens = framesOf(seconds, headers, params.frames) * frameTokens;
  return Math.max(1, maxVideoTokens > 0 ? Math.min(tokens, maxVideoTokens) : tokens);
}

function framesOf(
  seconds: number,
  headers: HeaderValues,
  { mode, sampled, strided, minFrames, maxFrames }: EstimateParams["video"]["frames"],
): number {
  const sourceFps = positiveIn(headers.get(fpsHeader)) ?? strided.defaultSourceFPS;
  const taken =
    mode === "sampled" ? seconds * sampled.sampleFPS : (seconds * sourceFps) / strided.frameStride;
  const bounded = Math.max(Math.floor(taken), minFrames);
  const frames = maxFrames > 0 ? Math.min(bounded, maxFrames) : bounded;
  const patch = mode === "sampled" ? sampled.temporalPatchSize : 0;
  return patch > 1 ? Math.floor(frames / patch) : frames;
}

function tokensOfPixels({ width, height }: { width: number; height: number }, factor: number) {
  return Math.floor((width * height) / factor);
}

function positiveIn(header: string | undefined): number | undefined {
  const value = Number(header);
  // NaN, for a header that is not a number, makes the comparison false.
  return header !== undefined && value > 0 && Number.isFinite(value) ? value : undefined;
}

function resolutionIn(header = ""): { width: number; height: number } | undefined {
  const match = /^([1-9]\d{0,4})x([1-9]\d{0,4})$/i.exec(header.trim());
  return match === null ? undefined : { width: Number(match[1]), height: Number(match[2]) };
}
