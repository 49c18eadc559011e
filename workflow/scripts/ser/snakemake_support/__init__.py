"""What rules and jobs need of the workflow: inputs, settings, targets, code hash."""
