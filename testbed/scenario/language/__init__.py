"""The language of stepped scenarios: a class for each verb, and one for each thing that may be expected."""
