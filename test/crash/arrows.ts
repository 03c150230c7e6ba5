// The arrows of the loop, and where on each of them a process is made to die. A transaction writes what an arrow leads
// from and to as one, so most places lie right before it and right after it.

/** What the loop passes, in the order in which it first comes by. */
export const arrows: readonly { readonly arrow: string; readonly places: readonly string[] }[] = [
  { arrow: 'label -> accepted batch', places: ['feedback.before-accepted', 'feedback.after-accepted'] },
  { arrow: 'record -> shipped file', places: ['serving.before-shipped', 'serving.after-shipped', 'serving.after-segment'] },
  { arrow: 'shipped file -> event time', places: ['timeline.before-moved', 'timeline.after-moved'] },
  { arrow: 'batch -> joined label', places: ['feedback.before-joined', 'feedback.after-joined'] },
  {
    arrow: 'label -> window and finding',
    places: ['monitoring.before-closed', 'monitoring.before-closed@5', 'monitoring.after-closed', 'monitoring.after-closed@2'],
  },
  { arrow: 'window -> watermark', places: ['monitoring.before-watermark', 'monitoring.after-watermark', 'monitoring.before-watermark@2'] },
  {
    arrow: 'window, finding -> alert',
    places: ['alerts.before-judged', 'alerts.after-judged', 'alerts.before-judged@5', 'alerts.after-judged@5'],
  },
  {
    arrow: 'alert -> delivery -> receiver',
    places: ['alerts.before-sent', 'alerts.before-delivered', 'alerts.after-delivered', 'alerts.before-delivered@2'],
  },
  { arrow: 'alert -> trigger', places: ['retraining.before-recorded', 'retraining.after-recorded'] },
  { arrow: 'tick at rest -> judged trigger', places: ['timeline.before-settled', 'timeline.after-settled', 'retraining.after-trigger@2'] },
  { arrow: 'trigger -> run', places: ['retraining.before-run', 'retraining.after-run'] },
  {
    arrow: 'run -> step -> model',
    places: [
      'engine.before-go',
      'engine.before-manifest',
      'engine.after-manifest',
      'tracking.before-seal',
      'tracking.after-seal',
      'pipelines.before-step-recorded',
      'pipelines.after-step-recorded',
      'pipelines.before-step-recorded@2',
      'pipelines.after-step-recorded@4',
      'registry.before-folder',
      'registry.after-folder',
    ],
  },
  { arrow: 'run -> decision', places: ['retraining.before-deciding', 'retraining.before-decide', 'retraining.before-decide@2'] },
  { arrow: 'decision -> release', places: ['retraining.before-release', 'retraining.after-release'] },
  {
    arrow: 'release -> plan -> data plane',
    places: ['releases.before-plan', 'releases.after-plan', 'releases.before-settle', 'releases.after-settle'],
  },
  {
    arrow: 'watermark -> release step',
    places: ['releases.before-judged', 'releases.after-judged', 'releases.before-judged@2', 'releases.after-judged@2'],
  },
  {
    arrow: 'release step -> plan -> data plane',
    places: ['releases.before-plan@2', 'releases.after-plan@2', 'releases.before-settle@2', 'releases.after-settle@2'],
  },
  { arrow: 'last step -> champion', places: ['releases.before-settle@3', 'releases.after-settle@3'] },
  { arrow: 'promotion -> end of the trigger', places: ['retraining.before-ended', 'retraining.after-ended'] },
];
