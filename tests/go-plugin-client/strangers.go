package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// refused checks that the plugin answers only its host.
func refused(socket string) error {
	forged, err := selfSigned()
	if err != nil {
		return err
	}
	strangers := map[string]credentials.TransportCredentials{
		"without TLS":                   insecure.NewCredentials(),
		"without a certificate":         credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}),
		"with a certificate of its own": credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{forged}}),
	}
	for who, identity := range strangers {
		conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(identity))
		if err != nil {
			return err
		}
		defer conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		request := &grpc_health_v1.HealthCheckRequest{Service: "plugin"}
		if _, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, request); err == nil {
			return fmt.Errorf("a stranger %s was served", who)
		}
	}
	return nil
}

// selfSigned makes a certificate that differs from the host's only in its owner.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		DNSNames:              []string{"localhost"},
		NotBefore:             time.Now().Add(-time.Minute),
		NotAfter:              time.Now().Add(time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
