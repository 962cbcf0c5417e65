import { type ActivationMaps, emitActivationMaps } from './activation-maps.ts';
import { emitFloat } from './emit-float.ts';
import { emitInt8, emitPixelConvolution, pixelBorder, quantisableOutput } from './emit-int8.ts';
import { createGraph, type Endpoint } from './graph.ts';
import type { Op, Program } from './ops.ts';
import { type Border, normalise, type PixelInput } from './pixels.ts';
import { type Context, cast, fail, floatOf, type Quantisable } from './values.ts';
import type { Variant } from './variants.ts';
import { createWeightStore, type WeightInput } from './weights.ts';

/** The input of a compiled model. */
export interface GraphInput {
  /** uint8: pixels as decoded, RGB or grey. float32: numbers. */
  readonly type: 'uint8' | 'float32';
  /** Shape of one input without the border. */
  readonly shape: readonly number[];
  /** Pixels that the caller adds around each picture. */
  readonly border?: Border;
}

/** A program as bytes: saved_model.pb, and the inputs of each run. */
export interface Emitted {
  readonly savedModel: Uint8Array;
  readonly input: GraphInput;
  readonly maps: ActivationMaps | undefined;
  readonly weights: Uint8Array;
  readonly weightInputs: readonly WeightInput[];
}

export interface EmitOptions {
  readonly variant: Variant;
  /** How pixels are normalised; the graph then has uint8 input. */
  readonly pixels?: PixelInput | undefined;
  /** See Context.rangeOf. */
  readonly rangeOf?: Context['rangeOf'];
}

/**
 * Writes the program as a flat graph: input `input` [batch, height, width, channels], output `probabilities` float32
 * [batch, classes]. Inputs and outputs are nodes with the names in the signature, so the caller need not read it. The output
 * of each op is a node with the op's name.
 */
export function emit(program: Program, { variant, pixels, rangeOf = noRange }: EmitOptions): Emitted {
  const graph = createGraph();
  const weights = createWeightStore(graph);
  const type = variant === 'bfloat16' ? 'bfloat16' : 'float32';
  const context: Context = {
    graph,
    weights,
    variant,
    type,
    T: { type },
    rangeOf,
    values: new Map(),
  };
  const inputs = program.ops.filter((op) => op.kind === 'input');
  const [entry] = inputs;
  if (!entry || inputs.length > 1) return fail(`the model has ${inputs.length} inputs, not one`);
  const { input, endpoint, first } = emitInput(context, program, entry, pixels);
  for (const op of program.ops) {
    if (op.kind === 'input' || op === first) continue;
    const quantised = emitInt8(context, op);
    const quantisable = quantisableOutput(context, op);
    context.values.set(
      op.name,
      quantised ? { quantised } : { float: emitFloat(context, op), ...(quantisable ? { quantisable } : {}) },
    );
  }
  const result = cast(graph, floatOf(context, program.output), type, 'float32');
  graph.node('probabilities', 'Identity', [result], { T: { type: 'float32' } });
  const dense = program.ops.findLast((op) => op.kind === 'dense');
  const output: Endpoint = { name: 'probabilities', type: 'float32', shape: [-1, dense?.bias.length ?? -1] };
  const maps = emitActivationMaps(context, program);
  const endpoints = [endpoint, ...weights.endpoints];
  return {
    savedModel: graph.savedModel({
      serving_default: { inputs: endpoints, outputs: [output] },
    }),
    input,
    maps,
    weights: Buffer.concat(weights.chunks),
    weightInputs: weights.inputs,
  };
}

function noRange(): never {
  return fail('int8 needs the ranges of the model');
}

/** The ops with a quantised output in the int8 variant, which calibration measures. */
export function quantisedOps(program: Program, pixels: PixelInput | undefined): Quantisable[] {
  const found: Quantisable[] = [];
  const rangeOf = (op: Quantisable) => found.push(op);
  emit(program, { variant: 'int8', pixels, rangeOf });
  return found;
}

/** Adds the placeholder `input`, and the nodes from it to the value of the input op. */
function emitInput(
  context: Context,
  program: Program,
  entry: Extract<Op, { kind: 'input' }>,
  pixels: PixelInput | undefined,
): { input: GraphInput; endpoint: Endpoint; first?: Op } {
  const { graph, variant, type, values } = context;
  const place = (dtype: GraphInput['type'], shape: readonly number[]): Endpoint => {
    const endpoint: Endpoint = { name: 'input', type: dtype, shape: [-1, ...shape] };
    graph.node('input', 'Placeholder', [], { dtype: { type: dtype }, shape: { shape: endpoint.shape } });
    return endpoint;
  };
  if (!pixels) {
    const endpoint = place('float32', entry.shape);
    values.set(entry.name, { float: cast(graph, 'input', 'float32', type) });
    return { input: { type: 'float32', shape: entry.shape }, endpoint };
  }
  const direct = variant === 'int8' ? pixelBorder(program.ops, entry.name, pixels, entry.shape) : undefined;
  if (!direct) {
    const endpoint = place('uint8', entry.shape);
    values.set(entry.name, { float: normalise(context, 'input', 'input', pixels) });
    return { input: { type: 'uint8', shape: entry.shape }, endpoint };
  }
  const { op, border } = direct;
  const [height = 0, width = 0, channels = 0] = entry.shape;
  const [[top, bottom], [left, right]] = border.margins;
  const endpoint = place('uint8', [top + height + bottom, left + width + right, channels]);
  values.set(op.name, { quantised: emitPixelConvolution(context, op, 'input', pixels) });
  return { input: { type: 'uint8', shape: entry.shape, border }, endpoint, first: op };
}
