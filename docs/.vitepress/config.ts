import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitepress';

const pages = (folder: string) =>
  readdirSync(join(import.meta.dirname, '..', folder))
    .filter((file) => file.endsWith('.md'))
    .map((file) => file.replace('.md', ''))
    .sort()
    .map((name) => ({ text: name === 'gyre-yaml' ? 'gyre.yaml' : name, link: `/${folder}/${name}` }));

export default defineConfig({
  title: 'Gyre',
  description: 'From raw data to a model in production that stays good.',
  cleanUrls: true,
  // "{braces}" in the reference are placeholders of messages, not attributes of elements.
  markdown: { attrs: { disable: true } },
  themeConfig: {
    search: { provider: 'local' },
    sidebar: [
      {
        text: 'Start',
        items: [
          { text: 'What it is', link: '/' },
          { text: 'Quickstart', link: '/quickstart' },
          { text: 'Serve a model', link: '/serve' },
          { text: 'Open Inference Protocol', link: '/open-inference' },
          { text: 'Models in Python', link: '/python-models' },
          { text: 'Served elsewhere', link: '/served-elsewhere' },
          { text: 'Score a dataset', link: '/batch-scoring' },
          { text: 'Convert to ONNX', link: '/convert-models' },
          { text: 'Benchmarks', link: '/benchmarks' },
          { text: 'Concepts', link: '/concepts' },
          { text: 'Tracking a command', link: '/track' },
          { text: 'Migrate from MLflow', link: '/migrate-from-mlflow' },
          { text: 'Artifacts', link: '/artifacts' },
          { text: 'CI', link: '/ci' },
          { text: 'Storage', link: '/storage' },
          { text: 'Operations', link: '/operations' },
          { text: 'Security', link: '/security' },
        ],
      },
      { text: 'Domains', items: pages('domains') },
      { text: 'Reference', items: pages('reference') },
    ],
  },
});
