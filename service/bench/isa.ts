import { isaLevels, readCpu } from '../../models/cpu.ts';
import { variantCommands } from './engine.ts';
import { withSample } from './sample.ts';
import { measure, type Result, SIZES } from './subject.ts';
import { ms, printTable } from './table.ts';

/** Measures every variant at each instruction set of this CPU and without oneDNN, as on weaker CPUs. */
export async function benchIsa(): Promise<void> {
  const settings: Record<string, string>[] = isaLevels().map((level) => ({ ONEDNN_MAX_CPU_ISA: level }));
  settings.push({ TF_ENABLE_ONEDNN_OPTS: '0' });
  const rows: string[][] = [];
  await withSample(async (sample) => {
    for (const environment of settings) {
      const cpu = readCpu({ environment });
      const name = Object.entries(environment).map(([key, value]) => `${key}=${value}`);
      for (const result of await measure(variantCommands(sample, cpu, environment), sample.expected)) {
        rows.push([name.join(' '), result.name, ...cells(result)]);
      }
    }
  });
  printTable(
    'ResNet-50, milliseconds per image (medians), by the instruction set that oneDNN may use',
    ['', 'engine', ...SIZES.map((size) => `batch ${size}`)],
    rows,
  );
}

const cells = ({ perImage }: Result) => SIZES.map((size) => ms(perImage.get(size) ?? Number.NaN));
