package cluster_test

import "testing"

func (s *suite) closedOutside(t *testing.T) {}

func (s *suite) access(t *testing.T) {}
