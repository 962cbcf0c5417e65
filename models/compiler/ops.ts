import type { Weight } from './layers-model.ts';

/** Rows and columns of zeros around a picture: [[top, bottom], [left, right]]. */
export type Margins = readonly [readonly [number, number], readonly [number, number]];
type Padding = 'SAME' | 'VALID' | Margins;
export type Activation = 'relu' | 'relu6' | 'softmax';

interface Named {
  readonly name: string;
}

/** filter: [kernelHeight, kernelWidth, in, out], or [.., in, multiplier] for a depthwise one. */
export interface Conv2D extends Named {
  readonly kind: 'conv2d' | 'depthwise-conv2d';
  readonly input: string;
  readonly filter: Weight;
  /** Shape [out]. */
  readonly bias: Float32Array;
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly padding: Padding;
  /** The op whose output is added before the activation. */
  readonly add?: string;
  readonly activation?: Activation;
}

/** y = x * scale + offset for each channel: an inference-time batch norm. */
export interface Affine extends Named {
  readonly kind: 'affine';
  readonly input: string;
  readonly scale: Float32Array;
  readonly offset: Float32Array;
}

interface Dense extends Named {
  readonly kind: 'dense';
  readonly input: string;
  /** Shape [in, out]. */
  readonly kernel: Weight;
  readonly bias: Float32Array;
}

export interface Pool extends Named {
  readonly kind: 'max-pool' | 'average-pool';
  readonly input: string;
  readonly size: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly padding: 'SAME' | 'VALID';
}

/** The compiler's intermediate representation, between layers and graph. */
export type Op =
  | (Named & { readonly kind: 'input'; readonly shape: readonly number[] })
  | Conv2D
  | Affine
  | Dense
  | Pool
  | (Named & { readonly kind: 'pad'; readonly input: string; readonly margins: Margins })
  | (Named & { readonly kind: 'global-average-pool'; readonly input: string })
  | (Named & { readonly kind: 'add'; readonly inputs: readonly [string, string] })
  | (Named & { readonly kind: 'activation'; readonly input: string; readonly activation: Activation })
  | (Named & { readonly kind: 'flatten'; readonly input: string })
  | (Named & { readonly kind: 'identity'; readonly input: string });

/** Ops in topological order; `output` names the op whose value is the model's output. */
export interface Program {
  readonly ops: readonly Op[];
  readonly output: string;
}

/** Names of the ops whose outputs are inputs of `op`. */
export function inputsOf(op: Op): readonly string[] {
  switch (op.kind) {
    case 'input':
      return [];
    case 'add':
      return op.inputs;
    case 'conv2d':
    case 'depthwise-conv2d':
      return op.add === undefined ? [op.input] : [op.input, op.add];
    default:
      return [op.input];
  }
}
