"""How the page looks: by the reader's own light or dark, and on paper."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#667079;--rule:#dfe3e8;--soft:#f5f7f9;
--good:#157f3b;--warn:#9a5b00;--bad:#c0262d;--c0:#1f6feb;--c1:#d1570a;--c2:#157f3b;--c3:#8a3ffc;
--c4:#b0206b;--c5:#0b7a8a}
@media (prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e4e8ec;--dim:#97a1ab;--rule:#2c3238;
--soft:#1c2024;--good:#4cc273;--warn:#e0a33a;--bad:#ff7b72;--c0:#6aa6ff;--c1:#ff9a55;--c2:#4cc273;
--c3:#b996ff;--c4:#ff86bd;--c5:#4fc3d5}}
*{box-sizing:border-box}
body{margin:0 auto;padding:28px 24px 48px;max-width:1380px;background:var(--bg);color:var(--fg);
font:15px/1.45 system-ui,sans-serif}
h1{font-size:24px;margin:0 0 2px}h2{font-size:16px;margin:34px 0 10px}h3{font-size:13.5px;
font-weight:600;margin:0 0 6px}
p{margin:4px 0}.dim,.none{color:var(--dim)}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}
ul.findings{margin:10px 0 0;padding-left:20px}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(400px,1fr));gap:16px}
figure{margin:0;padding:12px 14px;background:var(--soft);border:1px solid var(--rule);
border-radius:8px}
figcaption{font-size:12px;color:var(--dim);margin-top:4px;overflow-wrap:anywhere}
svg{display:block;width:100%;height:auto}
svg text{font:11px system-ui,sans-serif;fill:var(--dim)}
.grid{stroke:var(--rule)}.target{stroke:var(--bad);stroke-dasharray:5 4}
.line polyline,.spark polyline{fill:none;stroke-width:1.6;stroke-linejoin:round}
.band{fill:var(--c0);opacity:.16}.spark{width:120px;height:18px}.spark polyline{stroke:var(--c0)}
.c0 polyline{stroke:var(--c0)}.c1 polyline{stroke:var(--c1)}.c2 polyline{stroke:var(--c2)}
.c3 polyline{stroke:var(--c3)}.c4 polyline{stroke:var(--c4)}.c5 polyline{stroke:var(--c5)}
i.c0,i.c1,i.c2,i.c3,i.c4,i.c5{display:inline-block;width:14px;height:3px;border-radius:2px;
margin:0 5px 3px 10px;background:var(--dim)}
i.c0{background:var(--c0)}i.c1{background:var(--c1)}i.c2{background:var(--c2)}
i.c3{background:var(--c3)}i.c4{background:var(--c4)}i.c5{background:var(--c5)}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:13.5px;width:100%}
th{text-align:left;color:var(--dim);font-weight:600;font-size:12px;white-space:nowrap}
th,td{padding:5px 10px 5px 0;border-bottom:1px solid var(--rule);vertical-align:middle}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
@media print{body{max-width:none;padding:0}figure,tr{break-inside:avoid}}
"""
