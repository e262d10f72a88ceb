// Writes avatars as JSON lines: {"svg": "...", "extra": {part: variant, partColor: "#rrggbb", ...}}.
// Run by make_data.py: node avatars.mjs OPTIONS FIRST COUNT, in a folder whose node_modules has the packages. The seeds are
// the numbers from FIRST on. The first line is the style's schema: {part: [variants], partColor: [colours], ...}.
import { createAvatar } from '@dicebear/core';
import * as style from '@dicebear/pixel-art';

const [options, first, count] = process.argv.slice(2).map((text) => JSON.parse(text));
const choices = Object.entries(style.schema.properties).filter(([, property]) => property.type === 'array');
const lines = [JSON.stringify(Object.fromEntries(choices.map(([name, property]) => [name, property.default])))];
for (let seed = first; seed < first + count; seed++) {
  const avatar = createAvatar(style, { ...options, seed: String(seed) });
  lines.push(JSON.stringify({ svg: avatar.toString(), extra: avatar.toJson().extra }));
}
process.stdout.write(lines.join('\n') + '\n');
