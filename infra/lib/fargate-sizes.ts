/**
 * The vCPU and memory pairs of AWS Fargate (ECS developer guide, "task size"). CloudFormation accepts any pair, and the job
 * fails at run time; so synthesis rejects an invalid pair.
 */

const GIB = 1024;

/** Minimum, maximum and step of the memory in MiB for each number of vCPUs. */
const MEMORY_BY_VCPU = [
  { vcpu: 0.25, from: 512, to: 2 * GIB, step: 512 },
  { vcpu: 0.5, from: 1 * GIB, to: 4 * GIB, step: GIB },
  { vcpu: 1, from: 2 * GIB, to: 8 * GIB, step: GIB },
  { vcpu: 2, from: 4 * GIB, to: 16 * GIB, step: GIB },
  { vcpu: 4, from: 8 * GIB, to: 30 * GIB, step: GIB },
  { vcpu: 8, from: 16 * GIB, to: 60 * GIB, step: 4 * GIB },
  { vcpu: 16, from: 32 * GIB, to: 120 * GIB, step: 8 * GIB },
] as const;

export const FARGATE_VCPUS: readonly number[] = MEMORY_BY_VCPU.map(({ vcpu }) => vcpu);

/** The memory sizes in MiB that `vcpu` allows; empty for an unknown size. */
export function fargateMemoriesMb(vcpu: number): number[] {
  const row = MEMORY_BY_VCPU.find((candidate) => candidate.vcpu === vcpu);
  if (!row) return [];
  const memories: number[] = [];
  for (let memory: number = row.from; memory <= row.to; memory += row.step) {
    // 0.25 vCPU has steps of 512 MiB, but Fargate does not offer 1.5 GiB.
    if (!(vcpu === 0.25 && memory === 1536)) memories.push(memory);
  }
  return memories;
}

/** An error message that lists the memory sizes of `vcpu`; undefined if the pair is valid. */
export function fargateSizeFault(vcpu: number, memoryMb: number): string | undefined {
  const memories = fargateMemoriesMb(vcpu);
  if (memories.length === 0)
    return `taskVcpu=${vcpu} is not a Fargate size: use one of ${FARGATE_VCPUS.join(', ')}`;
  if (memories.includes(memoryMb)) return undefined;
  const step = (memories[1] ?? 0) - (memories[0] ?? 0);
  return `taskMemoryMb=${memoryMb} does not go with taskVcpu=${vcpu} on Fargate: use ${memories[0]} to ${memories.at(-1)} in steps of ${step}`;
}
