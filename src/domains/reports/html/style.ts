// The look of a report: one column of text and tables, system fonts, two hues, figures in columns. Colours are
// variables, so that charts and tables follow the reader's light or dark setting; print is always light.
import { trusted } from './html.ts';

const LIGHT = `--paper:#ffffff;--panel:#f6f8fa;--ink:#1b2430;--muted:#566272;--line:#d8dee6;--grid:#e8ecf1;--first:#1f5f9e;--second:#b3500b;--good:#1a7048;--bad:#b3261e;--good-bg:#e6f4ec;--bad-bg:#fdecea`;
const DARK = `--paper:#12161c;--panel:#1a2028;--ink:#e5eaf0;--muted:#9eabba;--line:#313a46;--grid:#252d37;--first:#7db3ef;--second:#f0a05a;--good:#74cfa0;--bad:#ff9389;--good-bg:#16301f;--bad-bg:#3a1b19`;

export const style = trusted(`
:root{color-scheme:light dark;${LIGHT}}
@media (prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main,header,footer{max-width:1080px;margin:0 auto;padding:0 20px}
header{padding-top:40px}
h1{font-size:2rem;line-height:1.2;margin:0 0 8px;letter-spacing:-.01em}
h2{font-size:1.4rem;line-height:1.25;margin:56px 0 10px;padding-top:14px;border-top:2px solid var(--ink)}
h3{font-size:1.06rem;margin:30px 0 8px}
p{margin:0 0 12px;max-width:72ch}
.lead{font-size:1.1rem;color:var(--muted)}
.note{color:var(--muted);font-size:.88rem}
a{color:var(--first)}
nav ol{list-style:none;margin:18px 0 0;padding:0;display:flex;flex-wrap:wrap;gap:6px 18px;font-size:.92rem}
code,.id{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.86em}
.id{color:var(--muted);overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(3,1fr);gap:14px;margin:22px 0 8px}
.card{border:1px solid var(--line);border-radius:8px;padding:14px 16px;background:var(--panel);break-inside:avoid}
.card .name{font-size:.84rem;color:var(--muted)}
.card .figure{font-size:1.75rem;line-height:1.25;font-weight:600;font-variant-numeric:tabular-nums;letter-spacing:-.01em;overflow-wrap:anywhere}
.card .about{font-size:.84rem;color:var(--muted);line-height:1.45}
.scroll{overflow-x:auto;margin:8px 0 14px}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--muted);font-size:.88rem;padding-bottom:6px}
th,td{text-align:left;vertical-align:top;padding:6px 14px 6px 0;border-bottom:1px solid var(--line)}
th:last-child,td:last-child{padding-right:0}
thead th{font-weight:600;color:var(--muted);font-size:.82rem;vertical-align:bottom;border-bottom-color:var(--muted)}
tbody th{font-weight:600}
.n{text-align:right;white-space:nowrap}
.n+td:not(.n),.n+th:not(.n){padding-left:10px}
.nowrap{white-space:nowrap}
.small{font-size:.93em;color:var(--muted)}
.profile td,.profile th{vertical-align:middle}
.ids td:nth-child(3){width:46%}
.card code{font-size:.95em}
.verdict{display:inline-block;font-weight:600;font-size:.84rem;padding:1px 9px;border-radius:10px;white-space:nowrap}
.passed{color:var(--good);background:var(--good-bg)}
.failed{color:var(--bad);background:var(--bad-bg)}
.charts{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:22px 28px;margin:14px 0 26px}
.charts.three{grid-template-columns:repeat(3,minmax(0,1fr))}
figure{margin:0;break-inside:avoid}
figcaption{font-size:.86rem;color:var(--muted);line-height:1.45}
figcaption b{color:var(--ink)}
.chart svg,.drawing svg{display:block;width:100%;height:auto}
svg text{font-family:ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif!important;font-variant-numeric:tabular-nums}
svg.spark{display:block;width:132px;height:28px}
svg.forest{display:block;width:100%;min-width:170px;height:22px;overflow:visible}
.key{display:inline-block;width:11px;height:11px;border-radius:2px;margin:0 4px 0 6px;vertical-align:-1px}
.first{background:var(--first)}.second{background:var(--second)}.none{background:var(--line)}.grey{background:var(--muted)}.good{background:var(--good)}.bad{background:var(--bad)}
.glance .narrow{display:none}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:10px 0;font-size:.92rem}
dt{color:var(--muted)}dd{margin:0;overflow-wrap:anywhere}
details{margin:10px 0}summary{cursor:pointer;color:var(--first);font-size:.92rem}
.drawing svg.narrow{display:none}
footer{margin-top:56px;padding-top:14px;padding-bottom:40px;border-top:1px solid var(--line);color:var(--muted);font-size:.84rem}
@media (max-width:720px){
body{font-size:15px}main,header,footer{padding-left:16px;padding-right:16px}header{padding-top:24px}
h1{font-size:1.6rem}h2{margin-top:40px;font-size:1.25rem}
.cards,.charts,.charts.three{grid-template-columns:1fr}.card .figure{font-size:1.5rem}
.drawing svg.wide,.glance .wide{display:none}.drawing svg.narrow,.glance .narrow{display:block;max-width:420px}
dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:8px}
svg.forest{min-width:130px}
.profile{min-width:700px}.metrics{min-width:820px}.gate{min-width:640px}.days{min-width:760px}.views{min-width:640px}.ids{min-width:760px}.slices th:nth-child(4),.slices td:nth-child(4){display:none}.commands{min-width:560px}.windows{min-width:900px}.alerts,.triggers,.uncovered{min-width:680px}.releases{min-width:900px}
caption span{display:block;position:sticky;left:0;max-width:calc(100vw - 32px)}
}
@media (max-width:1000px) and (min-width:721px){.cards{grid-template-columns:repeat(2,1fr)}}
@media print{
:root{color-scheme:light;${LIGHT}}
@page{margin:14mm}
body{font-size:10.5pt}header{padding-top:0}nav{display:none}
h2{margin-top:26pt}h2,h3,caption{break-after:avoid}tr,.card,figure{break-inside:avoid}
.cards{grid-template-columns:repeat(3,1fr);gap:8pt}.charts{grid-template-columns:repeat(2,minmax(0,1fr));gap:12pt 16pt}.charts.three{grid-template-columns:repeat(3,minmax(0,1fr))}.drawing svg.wide,.glance .wide{display:block}.drawing svg.narrow,.glance .narrow{display:none}
.scroll{overflow:visible}a{color:inherit;text-decoration:none}table{font-size:8.5pt}
.card .figure{font-size:15pt}
details::details-content{content-visibility:visible;display:block}summary{display:none}
}
`);
