"""The scikit-learn runtime of mlcore. Nothing is imported here, so that its hooks stay light."""
