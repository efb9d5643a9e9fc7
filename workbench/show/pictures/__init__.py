"""Pictures of what the analysis found: functions from frames to plotly figures. They compute nothing."""
