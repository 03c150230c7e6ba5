// The chain of evidence as a drawing: layers from the prediction down to the files, boxes and arrows. The same
// drawing at two widths, since a wide one cannot be read on a phone.
import type { ChainNode, ChainView } from '../model.ts';
import { brief } from './format.ts';
import { html, type Html } from './html.ts';

interface Box {
  readonly node: ChainNode;
  readonly lines: readonly { readonly text: string; readonly kind: 'title' | 'label' | 'id' }[];
  readonly x: number;
  readonly y: number;
  readonly wide: number;
  readonly high: number;
}

interface Layout {
  readonly wide: number;
  readonly perRow: number;
  readonly name: string;
}

const GAP = 12;
const ROW_GAP = 34;
const LINE = 17;
const PAD = 10;
// Mean width of a character of each kind, in pixels; a little wide, so that nothing is cut.
const CHARACTER = { title: 6.4, label: 8.3, id: 7.1 } as const;
const SHOWN_FILES = 4;
const FRAME = 7;

const fit = (text: string, kind: keyof typeof CHARACTER, wide: number): string => {
  const room = Math.max(4, Math.floor((wide - 2 * PAD) / CHARACTER[kind]));
  if (text.length <= room) return text;
  // The beginning of an id is the time it was made; its end tells it apart.
  return kind === 'id' ? `${text.slice(0, Math.ceil(room / 2) - 1)}…${text.slice(-Math.floor(room / 2))}` : `${text.slice(0, room - 1)}…`;
};

function linesOf(node: ChainNode, wide: number): Box['lines'] {
  const label = { text: fit(node.label, 'label', wide), kind: 'label' } as const;
  const id = node.id === node.label || node.title === 'Code' || node.title === 'Environment' || node.title === 'Variant' ? [] : [node.id];
  const digest = node.digest === null ? [] : [`sha256 ${brief(node.digest, 10)}`];
  const more = node.files.length - SHOWN_FILES;
  const files = [...node.files.slice(0, more > 0 ? SHOWN_FILES - 1 : SHOWN_FILES), ...(more > 0 ? [`and ${more + 1} more files`] : [])];
  return [
    { text: fit(node.title, 'title', wide), kind: 'title' },
    label,
    ...[...id, ...digest, ...files].map((text) => ({ text: fit(text, 'id', wide), kind: 'id' }) as const),
  ];
}

/** Layers from top to bottom; one that does not fit takes several rows. */
function place(nodes: readonly ChainNode[], { wide, perRow }: Layout): { boxes: Box[]; high: number } {
  const boxes: Box[] = [];
  let y = 4;
  const layers = [...new Set(nodes.map((n) => n.layer))].sort((a, b) => a - b);
  for (const layer of layers) {
    const own = nodes.filter((n) => n.layer === layer);
    const rows = Math.ceil(own.length / perRow);
    const each = Math.ceil(own.length / rows);
    for (let r = 0; r < rows; r++) {
      const row = own.slice(r * each, (r + 1) * each);
      const boxWide = Math.min(
        perRow === 1 ? 320 : 250,
        (wide - 8 - GAP * (perRow - 1)) / Math.min(perRow, Math.max(row.length, perRow === 1 ? 1 : 2)),
      );
      const lines = row.map((node) => linesOf(node, boxWide));
      const high = Math.max(...lines.map((l) => l.length)) * LINE + 2 * PAD - 4;
      const left = (wide - row.length * boxWide - (row.length - 1) * GAP) / 2;
      row.forEach((node, i) => boxes.push({ node, lines: lines[i]!, x: left + i * (boxWide + GAP), y, wide: boxWide, high }));
      y += high + (r === rows - 1 ? ROW_GAP : GAP);
    }
  }
  return { boxes, high: y - ROW_GAP + FRAME + 2 };
}

type Area = Pick<Box, 'x' | 'y' | 'wide' | 'high'>;

/** One column cannot show which box of a layer an arrow belongs to, so there a layer is one frame. */
function framesOf(boxes: readonly Box[]): Area[] {
  const layers = [...new Set(boxes.map((b) => b.node.layer))];
  return layers.map((layer) => {
    const own = boxes.filter((b) => b.node.layer === layer);
    const [x, y] = [own[0]!.x, own[0]!.y];
    const last = own.at(-1)!;
    const room = own.length > 1 ? FRAME : 0;
    return { x: x - room, y: y - room, wide: last.wide + 2 * room, high: last.y + last.high - y + 2 * room };
  });
}

function drawing(chain: ChainView, layout: Layout): Html {
  const { boxes, high } = place(chain.nodes, layout);
  const byKey = new Map(boxes.map((b) => [b.node.key, b]));
  const frames = layout.perRow === 1 ? framesOf(boxes) : [];
  const pairs: [Area, Area][] =
    layout.perRow === 1
      ? frames.slice(1).map((frame, i) => [frames[i]!, frame])
      : chain.edges.flatMap(({ from, to }) => {
          const [a, b] = [byKey.get(from), byKey.get(to)];
          return a && b && b.y >= a.y + a.high ? [[a, b] as [Area, Area]] : [];
        });
  const arrows = pairs.map(([a, b]) => {
    const [x1, y1, x2, y2] = [a.x + a.wide / 2, a.y + a.high, b.x + b.wide / 2, b.y - 5];
    const bend = Math.min(40, (y2 - y1) * 0.5);
    const d = `M${n(x1)},${n(y1)} C${n(x1)},${n(y1 + bend)} ${n(x2)},${n(y2 - bend)} ${n(x2)},${n(y2)}`;
    return html`<path d="${d}" fill="none" stroke="var(--muted)" stroke-width="1.3" marker-end="url(#arrow-${layout.name})" />`;
  });
  return html`<svg
    class="${layout.name}"
    viewBox="0 0 ${layout.wide} ${n(high)}"
    role="img"
    aria-label="The chain of evidence of one prediction, drawn; the table below says the same in words"
  >
    <defs>
      <marker id="arrow-${layout.name}" viewBox="0 0 8 8" refX="4" refY="4" markerWidth="7" markerHeight="7" orient="auto">
        <path d="M0,0 L8,4 L0,8 z" fill="var(--muted)" />
      </marker>
    </defs>
    ${arrows}${frames.map(frameOf)}${boxes.map(boxOf)}
  </svg>`;
}

const n = (x: number): string => x.toFixed(1);

const frameOf = ({ x, y, wide, high }: Area): Html =>
  html`<rect x="${n(x)}" y="${n(y)}" width="${n(wide)}" height="${n(high)}" rx="9" fill="none" stroke="var(--line)" />`;

const attributes = { title: 11, label: 13.5, id: 11.5 } as const;

function boxOf({ node, lines, x, y, wide, high }: Box): Html {
  const first = node.layer === 0;
  return html`<g
    ><title>
      ${node.title}
      ${node.id}${node.digest === null ? '' : `, sha256 ${node.digest}`}${node.files.length > 0 ? `: ${node.files.join(', ')}` : ''}</title
    ><rect
      x="${n(x)}"
      y="${n(y)}"
      width="${n(wide)}"
      height="${n(high)}"
      rx="6"
      fill="var(--panel)"
      stroke="${first ? 'var(--first)' : 'var(--line)'}"
      stroke-width="${first ? 2 : 1.2}"
    />${lines.map(
      (l, i) =>
        html`<text
          x="${n(x + PAD)}"
          y="${n(y + PAD + 9 + i * LINE)}"
          font-size="${attributes[l.kind]}"
          font-weight="${l.kind === 'label' ? 600 : 400}"
          fill="${l.kind === 'label' ? 'var(--ink)' : 'var(--muted)'}"
          >${l.text}</text
        >`,
    )}</g
  >`;
}

export const chainDrawings = (chain: ChainView): Html =>
  html`<div class="drawing">
    ${drawing(chain, { wide: 1080, perRow: 5, name: 'wide' })}${drawing(chain, { wide: 360, perRow: 1, name: 'narrow' })}
  </div>`;
