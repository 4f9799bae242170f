"""What `dynfocus doctor` looks at. A part that is missing or broken is a finding, no error."""
