import type { TObject } from 'typebox';

/** The settings table of docs/configuration.md, generated from the schema that checks the settings. */
export function settingsTable(schema: TObject): string {
  const rows = Object.entries(schema.properties).map(([name, property]) => {
    const {
      default: fallback,
      description = '',
      enum: values,
    } = property as {
      default?: unknown;
      description?: string;
      enum?: readonly string[];
    };
    const text = description.replaceAll('<', '&lt;');
    const shown = fallback === undefined || fallback === '' ? '' : `\`${fallback}\``;
    return `| \`${name}\` | ${shown} | ${text}${values ? ` (${values.join(', ')})` : ''} |`;
  });
  return ['| variable | default | what |', '|---|---|---|', ...rows].join('\n');
}
