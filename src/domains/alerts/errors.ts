import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'alert-rule-not-found': {
    status: 404,
    title: 'No such alert rule',
    detail: (p: { project: string; rule: string }) =>
      `Project "${p.project}" has no alert rule "${p.rule}"; "gyre alerts rules" lists them.`,
  },
  'alert-rule-exists': {
    status: 409,
    title: 'The name of the rule is taken',
    detail: (p: { rule: string; managedBy: string }) =>
      `There is a rule "${p.rule}" already (managed by ${p.managedBy}); choose another name, or change that one where it is written.`,
  },
  'alert-rule-invalid': {
    status: 422,
    title: 'The rule cannot be used',
    detail: (p: { rule: string; why: string }) => `The rule "${p.rule}" cannot be used: ${p.why}.`,
  },
  'alert-rule-managed': {
    status: 409,
    title: 'The rule is not one of the API',
    detail: (p: { rule: string; managedBy: string }) =>
      p.managedBy === 'file'
        ? `"${p.rule}" is written in gyre.yaml; take it out there and apply.`
        : `"${p.rule}" is a default of its monitor; it goes when the project has a rule of its own for that signal.`,
  },
  'alert-not-found': { status: 404, title: 'No such alert', detail: (p: { id: string }) => `There is no alert "${p.id}" here.` },
  'silence-not-found': {
    status: 404,
    title: 'No such silence',
    detail: (p: { id: string }) => `There is no silence "${p.id}" in this project; "gyre alerts silences" lists them.`,
  },
  'silence-matcher-invalid': {
    status: 422,
    title: 'A matcher cannot be used',
    detail: (p: { matcher: string; why: string }) => `"${p.matcher}" cannot be used: ${p.why}.`,
  },
  'silence-span-invalid': {
    status: 422,
    title: 'The silence would never be in force',
    detail: (p: { endsAt: string; why: string }) => `A silence that ends at ${p.endsAt} would never be in force: ${p.why}.`,
  },
  'delivery-not-found': {
    status: 404,
    title: 'No such delivery',
    detail: (p: { id: string }) => `There is no delivery "${p.id}" in this project; "gyre alerts deliveries" lists them.`,
  },
  'delivery-not-ended': {
    status: 409,
    title: 'The delivery is on its way',
    detail: (p: { id: string }) => `Delivery "${p.id}" is queued and will be tried by itself.`,
  },
  'receiver-not-found': {
    status: 404,
    title: 'No such receiver',
    detail: (p: { project: string; receiver: string }) => `The current revision of "${p.project}" has no receiver "${p.receiver}".`,
  },
});
