import { type Affine, type Conv2D, inputsOf, type Op, type Program } from './ops.ts';

/**
 * Optimises a program in passes that keep its meaning: they remove identities, and merge batch norms, zero padding,
 * additions and activations into convolutions.
 */
export function fuse(program: Program): Program {
  return [dropIdentities, foldAffine, mergePadding, fuseAdditions, fuseActivations].reduce(
    (current, pass) => pass(current),
    program,
  );
}

const isConvolution = (op: Op | undefined): op is Conv2D =>
  op?.kind === 'conv2d' || op?.kind === 'depthwise-conv2d';

/**
 * Rewrites the ops in order. `replace(op, find)` returns the replacement of an op, and the op that it `absorbed`, which is
 * dropped; `find` returns only ops with a single user.
 */
function rewrite(
  program: Program,
  replace: (op: Op, find: (name: string) => Op | undefined) => { op: Op; absorbed: string } | undefined,
): Program {
  const users = new Map<string, number>([[program.output, 1]]);
  for (const op of program.ops) for (const name of inputsOf(op)) users.set(name, (users.get(name) ?? 0) + 1);
  const done = new Map<string, Op>();
  const soleUse = (name: string) => (users.get(name) === 1 ? done.get(name) : undefined);
  for (const op of program.ops) {
    const change = replace(op, soleUse);
    if (change) done.delete(change.absorbed);
    done.set(op.name, change ? { ...change.op, name: op.name } : op);
  }
  return { ops: [...done.values()], output: program.output };
}

function dropIdentities(program: Program): Program {
  const source = new Map<string, string>();
  const resolve = (name: string): string => {
    const target = source.get(name);
    return target === undefined ? name : resolve(target);
  };
  for (const op of program.ops) if (op.kind === 'identity') source.set(op.name, op.input);
  const ops = program.ops
    .filter((op) => op.kind !== 'identity')
    .map((op): Op => {
      if (op.kind === 'add') return { ...op, inputs: [resolve(op.inputs[0]), resolve(op.inputs[1])] };
      return 'input' in op ? { ...op, input: resolve(op.input) } : op;
    });
  return { ops, output: resolve(program.output) };
}

function foldAffine(program: Program): Program {
  return rewrite(program, (op, find) => {
    if (op.kind !== 'affine') return undefined;
    const convolution = find(op.input);
    return isConvolution(convolution) ? { op: scaled(convolution, op), absorbed: op.input } : undefined;
  });
}

/** The convolution followed by y = x * scale + offset is one with filter * scale and bias * scale + offset. */
function scaled(convolution: Conv2D, { scale, offset }: Affine): Conv2D {
  const channels = scale.length;
  // The output channel varies fastest in both layouts: [h, w, in, out], and [h, w, in, multiplier] where it is in * multiplier.
  const data = convolution.filter.data.map((value, i) => value * (scale[i % channels] ?? 1));
  const bias = convolution.bias.map((value, i) => value * (scale[i] ?? 1) + (offset[i] ?? 0));
  return { ...convolution, filter: { shape: convolution.filter.shape, data }, bias };
}

function mergePadding(program: Program): Program {
  return rewrite(program, (op, find) => {
    if (op.kind !== 'conv2d' || op.padding !== 'VALID') return undefined;
    const pad = find(op.input);
    return pad?.kind === 'pad'
      ? { op: { ...op, input: pad.input, padding: pad.margins }, absorbed: pad.name }
      : undefined;
  });
}

function fuseAdditions(program: Program): Program {
  const position = new Map(program.ops.map((op, index) => [op.name, index]));
  return rewrite(program, (op, find) => {
    if (op.kind !== 'add') return undefined;
    // The later op adds the output of the earlier one: the reverse could be a cycle.
    const [earlier, later] = [...op.inputs].sort((a, b) => (position.get(a) ?? 0) - (position.get(b) ?? 0));
    const convolution = later === undefined ? undefined : find(later);
    return convolution?.kind === 'conv2d' &&
      !convolution.add &&
      !convolution.activation &&
      earlier !== undefined
      ? { op: { ...convolution, add: earlier }, absorbed: convolution.name }
      : undefined;
  });
}

function fuseActivations(program: Program): Program {
  return rewrite(program, (op, find) => {
    if (op.kind !== 'activation' || op.activation === 'softmax') return undefined;
    const convolution = find(op.input);
    return isConvolution(convolution) && !convolution.activation
      ? { op: { ...convolution, activation: op.activation }, absorbed: convolution.name }
      : undefined;
  });
}
