"""How report.html looks: plain, on paper and on a phone, by day and by night. Nothing is fetched."""

CSS = """\
:root {
  color-scheme: light dark;
  --ink: #1a1a1a; --paper: #fff; --faint: #666; --rule: #d0d0d0; --good: #00704d; --bad: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6e6e6; --paper: #121212; --faint: #a0a0a0; --rule: #3a3a3a; --good: #5fd0a5; --bad: #ff8a80;
  }
}
body { margin: 0 auto; padding: 1rem; max-width: 60rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; }
h2 { font-size: 1.25rem; margin-top: 3rem; border-bottom: 1px solid var(--rule); }
h3 { font-size: 1rem; margin-top: 2rem; }
code { overflow-wrap: anywhere; }
a { color: inherit; }
.faint, caption, figcaption { color: var(--faint); font-size: 0.875rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem; }
caption { text-align: left; caption-side: bottom; padding-top: 0.25rem; }
th, td { padding: 0.25rem 1rem 0.25rem 0; text-align: left; vertical-align: top; }
th, td { border-bottom: 1px solid var(--rule); }
td.number, th.number { text-align: right; white-space: nowrap; }
.holds { color: var(--good); font-weight: 600; white-space: nowrap; }
.falls-short { color: var(--bad); font-weight: 600; white-space: nowrap; }
figure { margin: 1.5rem 0; }
svg { max-width: 100%; height: auto; mix-blend-mode: multiply; }
@media screen and (prefers-color-scheme: dark) {
  svg { filter: invert(1) hue-rotate(180deg); mix-blend-mode: screen; }
}
@media print {
  :root {
    color-scheme: light;
    --ink: #000; --paper: #fff; --faint: #444; --rule: #999; --good: #000; --bad: #000;
  }
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  figure, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .wide { overflow: visible; }
}
"""
